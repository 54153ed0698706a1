#!/usr/bin/env python3
"""The command-line program's manners: help from every subcommand, exit codes 0, 1 and 2, errors on standard error."""
import os
import subprocess
import sys

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


commands = ["serve", "generate", "score", "tokenize", "detokenize", "render", "bench", "inspect"]
usage = expect(0, "--help", out="Usage: verbatim COMMAND")
for command in commands:
    if f"  {command}" not in usage:
        problems.append(f"--help does not list {command}")
    expect(0, command, "--help", out=f"Usage: verbatim {command}")
    expect(2, command, "--no-such-option", err="unknown option '--no-such-option'")
expect(0, "--version", out="verbatim ")
expect(2, err="Usage: verbatim COMMAND")
expect(2, "no-such-command", err="unknown command 'no-such-command'")
for command in ("serve", "generate", "score", "bench", "inspect"):
    expect(2, command, "--model")
required = {"serve": "--model", "generate": "--model", "score": "--model", "tokenize": "--tokenizer", "detokenize": "--tokenizer",
            "render": "--template", "inspect": "--model"}
for command, option in required.items():
    expect(2, command, err=f"{option} ")
    expect(2, command, err="is required")
    lines = [line for line in expect(0, command, "--help").splitlines() if line.startswith(f"  {option} ")]
    if len(lines) != 1 or not lines[0].endswith("(required)"):
        problems.append(f"verbatim {command} --help does not say that {option} is required")
for command in ("bench", "generate"):   # one of two
    if expect(0, command, "--help").count(" is required)") != 2:
        problems.append(f"verbatim {command} --help does not say that one of two options is required")
expect(2, "bench", err="exactly one of --model DIR and --random-weights CONFIG.json is needed")
expect(2, "generate", "--model", "/nonexistent", err="exactly one of --prompt TEXT (not empty) and --messages FILE is needed")
expect(2, "generate", "--model", "/nonexistent", "--prompt", "x", "--max-tokens", "many", err="expected an integer")
expect(1, "inspect", "--model", "/nonexistent/model",
       err="[verbatim.config.1] /nonexistent/model: no such file; a model folder in Hugging Face layout is expected: config.json")
expect(1, "serve", "--model", "/nonexistent", "--address", "0.0.0.0", err="--api-key KEY")
expect(1, "serve", "--model", "/nonexistent", "--address", "0.0.0.0", err="--allow-open")
expect(1, "serve", "--try", "--model", "/nonexistent", err="[verbatim.config.1]")
expect(2, "serve", "--try", "--model", "/nonexistent", "--no-such-option")   # and nothing on standard output
expect(1, "tokenize", "--tokenizer", "/nonexistent/tokenizer.json", err="/nonexistent/tokenizer.json")

print(f"{len(commands)} subcommands")
print("\n".join(problems))
sys.exit(1 if problems else 0)
