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
for command in ("generate", "score", "bench", "inspect"):
    expect(2, command, err="is required" if command not in ("bench", "generate") else "")
expect(2, "generate", "--model", "/nonexistent", "--prompt", "x", "--max-tokens", "many", err="expected an integer")
expect(1, "inspect", "--model", "/nonexistent/model", err="[verbatim.")
expect(1, "tokenize", "--tokenizer", "/nonexistent/tokenizer.json", err="/nonexistent/tokenizer.json")

print(f"{len(commands)} subcommands")
print("\n".join(problems))
sys.exit(1 if problems else 0)
