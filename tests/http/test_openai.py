#!/usr/bin/env python3
"""Starts a server (the scripted one, and `verbatim serve` with the bundled model) and runs the clients against it.

Programs are found in VERBATIM_BIN. The Python that has the openai package: VERBATIM_PYTHON, else this one, else a virtual
environment beside the repository; without any, exit code 77 (skipped).
"""
import os
import pathlib
import re
import signal
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent
source = here.parent.parent
binaries = pathlib.Path(os.environ.get("VERBATIM_BIN", source / "build/release/bin"))
candidates = [os.environ.get("VERBATIM_PYTHON"), sys.executable, source / ".venv/bin/python", source.parent / "venv/bin/python"]


def python_with_openai():
    for c in candidates:
        if c and pathlib.Path(c).exists() and subprocess.run([str(c), "-c", "import openai"], capture_output=True).returncode == 0:
            return str(c)
    return None


def serve(command):
    """Starts a server on a free port; gives it and its URL once it is ready."""
    server = subprocess.Popen([str(c) for c in command], stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        if found := re.search(r"http://127\.0\.0\.1:\d+/v1", line):
            return server, found[0]
    raise SystemExit(f"{command}: no ready line, exit code {server.wait()}")


def run(command, scripts):
    server, url = serve(command)
    failed = 0
    try:
        for script, *arguments in scripts:
            result = subprocess.run([python, str(here / script), url, *arguments], timeout=900)
            failed += result.returncode != 0
    finally:
        server.send_signal(signal.SIGINT)
        code = server.wait(timeout=60)
    if code != 0:
        print(f"{command[0]}: exit code {code} after SIGINT", file=sys.stderr)
        failed += 1
    return failed


python = python_with_openai()
if python is None:
    print("skipped: no Python with the openai package")
    sys.exit(77)
failed = ran = 0
scripted = binaries / "fake_server"
if scripted.exists():
    ran += 1
    failed += run([scripted, "0"], [("openai_client.py", "--scripted"), ("concurrency.py",)])
program, model = binaries / "verbatim", source / "examples/models/tiny-chat"
if program.exists() and (model / "model.safetensors").exists():
    ran += 1
    failed += run([program, "serve", "--model", model, "--port", "0"], [("openai_client.py",), ("concurrency.py",)])
if ran == 0:
    print("skipped: no server has been built")
    sys.exit(77)
sys.exit(1 if failed else 0)
