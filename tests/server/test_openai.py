#!/usr/bin/env python3
"""The official openai client against two servers: the scripted engine behind the real front, and the bundled model."""
import importlib.util
import subprocess
import sys

from running import BIN, MODEL, ROOT, server, skip_all

if importlib.util.find_spec("openai") is None:
    skip_all("the openai package is not here: its client was not run against the server")

CLIENT = ROOT / "tests" / "http" / "openai_client.py"
failed = 0
for name, command, options in (("scripted engine", [BIN / "fake_server", "0"], ["--scripted"]),
                               ("bundled model", [BIN / "verbatim", "serve", "--model", MODEL, "--port", "0"], [])):
    with server(*command) as (port, process, seconds):
        print(f"{name}: ready after {seconds:.2f} s", flush=True)
        failed += subprocess.run([sys.executable, CLIENT, f"http://127.0.0.1:{port}/v1", *options]).returncode != 0
sys.exit(1 if failed else 0)
