#!/usr/bin/env python3
"""The command-line program's manners: help from every subcommand, exit codes 0, 1 and 2, errors on standard error."""
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ["VERBATIM_BINARY"]
problems = []


def expect(code, *arguments, out="", err="", stdin=""):
    try:
        done = subprocess.run([BINARY, *arguments], input=stdin, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        problems.append(f"verbatim {' '.join(arguments)}: no end after 60 s")
        return ""
    for what, good in ((f"exit code {code}, got {done.returncode}", done.returncode == code),
                       (f"'{out}' on standard output", out in done.stdout),
                       (f"'{err}' on standard error", err in done.stderr),
                       ("silence on standard output", code != 2 or not done.stdout),
                       ("no crash", done.returncode >= 0)):
        if not good:
            problems.append(f"verbatim {' '.join(arguments)}: expected {what}\n  {(done.stdout + done.stderr)[:300]}")
    return done.stdout


def no_long_lines(text, what):
    if long := [line for line in text.splitlines() if len(line) > 100]:
        problems.append(f"{what} has lines of more than 100 columns:\n  " + "\n  ".join(long))


commands = ["serve", "generate", "score", "tokenize", "detokenize", "render", "bench", "inspect"]
usage = expect(0, "--help", out="Usage: verbatim COMMAND")
no_long_lines(usage, "verbatim --help")
if expect(0, "help") != usage:
    problems.append("verbatim help is not verbatim --help")
expect(2, "help", "no-such-command", err="unknown command 'no-such-command'")
expect(2, "help", "serve", "twice", err="one COMMAND")
for command in commands:
    if f"  {command}" not in usage:
        problems.append(f"--help does not list {command}")
    text = expect(0, command, "--help", out=f"Usage: verbatim {command}")
    no_long_lines(text, f"verbatim {command} --help")
    if expect(0, "help", command) != text:
        problems.append(f"verbatim help {command} is not verbatim {command} --help")
    expect(2, command, "--no-such-option", err="unknown option '--no-such-option'")
expect(0, "--version", out="verbatim ")
expect(2, err="Usage: verbatim COMMAND")
expect(2, "no-such-command", err="unknown command 'no-such-command'")
for command in ("serve", "generate", "score", "bench", "inspect"):
    expect(2, command, "--model")
required = {"serve": "--model", "generate": "--model", "score": "--model", "render": "--template", "inspect": "--model"}
for command, option in required.items():
    expect(2, command, err=f"{option} ")
    expect(2, command, err="is required")
    lines = [line for line in expect(0, command, "--help").splitlines() if line.startswith(f"  {option} ")]
    if len(lines) != 1 or not lines[0].endswith("(required)"):
        problems.append(f"verbatim {command} --help does not say that {option} is required")
for command in ("bench", "generate", "tokenize", "detokenize"):   # one of two
    if " ".join(expect(0, command, "--help").split()).count(" is required)") != 2:
        problems.append(f"verbatim {command} --help does not say that one of two options is required")
expect(2, "bench", err="exactly one of --model DIR and --random-weights CONFIG.json is needed")
for command in ("tokenize", "detokenize"):
    expect(2, command, err="exactly one of --model DIR and --tokenizer PATH is needed")
    expect(2, command, "--model", "x", "--tokenizer", "y", err="exactly one of --model DIR and --tokenizer PATH is needed")
expect(2, "generate", "--model", "/nonexistent", err="exactly one of --prompt TEXT (not empty) and --messages FILE is needed")
expect(2, "generate", "--model", "/nonexistent", "--prompt", "x", "--max-tokens", "many", err="expected an integer")
for option, value, wrong in (("--temperature", "-0.5", "expected a value from 0 to 2"), ("--temperature", "2.5", "expected a value from 0 to 2"),
                             ("--temperature", "nan", "expected a"), ("--top-p", "0", "expected a value above 0"), ("--top-p", "-1", "expected a value from 0 to 1"),
                             ("--top-p", "1.5", "expected a value from 0 to 1"), ("--top-k", "-2", "expected a value from -1")):   # as over HTTP
    expect(2, "generate", "--model", "/nonexistent", "--prompt", "x", option, value, err=f"{option} '{value}': {wrong}")
expect(2, "bench", "--model", "/nonexistent", "--temperature", "2.5", err="expected a value from 0 to 2")
expect(1, "inspect", "--model", str(ROOT / "README.md"),
       err="README.md is neither a model folder in Hugging Face layout nor its config.json")
expect(1, "inspect", "--model", "/nonexistent/model",
       err="[verbatim.config.1] /nonexistent/model: no such file; a model folder in Hugging Face layout is expected: config.json")
expect(1, "serve", "--model", "/nonexistent", "--address", "0.0.0.0", err="--api-key KEY")
expect(1, "serve", "--model", "/nonexistent", "--address", "0.0.0.0", err="--allow-open")
expect(1, "serve", "--try", "--model", "/nonexistent", err="[verbatim.config.1]")
expect(2, "serve", "--try", "--model", "/nonexistent", "--no-such-option")   # and nothing on standard output
expect(1, "tokenize", "--tokenizer", "/nonexistent/tokenizer.json", err="/nonexistent/tokenizer.json")
expect(1, "render", "--template", "/nonexistent/template", err="[verbatim.usage.1] /nonexistent/template: ")
tiny = ROOT / "examples" / "models" / "tiny-chat"
for command, source, line in (("tokenize", ("--tokenizer", tiny), '{"ids": [1]}'), ("detokenize", ("--tokenizer", tiny), '{"text": "x"}'),
                              ("detokenize", ("--tokenizer", tiny), '{"ids": ["1"]}'), ("detokenize", ("--tokenizer", tiny), '{"ids": [1.5]}'),
                              ("render", ("--template", tiny / "chat_template.jinja"), '{"context": 1}')):
    expect(1, command, *map(str, source), err="[verbatim.usage.3] line 3: ", stdin="\n\n" + line + "\n")
    expect(1, command, *map(str, source), err="[verbatim.usage.3] line 1: not valid JSON", stdin="{\n")
for beyond in ("1000000", "-1", "4294967296", "18446744073709551615"):
    out = expect(1, "detokenize", "--tokenizer", str(tiny), err="[verbatim.usage.5] line 2: token ids below ", stdin='{"ids": [5]}\n{"ids": [5, ' + beyond + "]}\n")
    if len(out.splitlines()) != 1 or '"text"' not in out:
        problems.append(f"verbatim detokenize: one line expected before the one with {beyond}, {out!r} found")

print(f"{len(commands)} subcommands")
print("\n".join(problems))
sys.exit(1 if problems else 0)
