#!/usr/bin/env python3
"""The official openai client, every parameter, streamed and not: against the scripted engine, and against the bundled model
in both of its servers, `verbatim serve` and examples/openai_server."""
import importlib.util
import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "server"))
from running import BIN, MODEL, server, skip, skip_all  # noqa: E402

if importlib.util.find_spec("openai") is None:
    skip_all("no Python package openai: the servers were not tried with the official client")
servers = [("scripted engine", [BIN / "fake_server", "0"], ["--scripted"])]
if (MODEL / "model.safetensors").exists():
    servers.append(("verbatim serve", [BIN / "verbatim", "serve", "--model", MODEL, "--port", "0"], []))
    servers.append(("openai_server", [BIN / "openai_server", MODEL, "0"], []))
else:
    skip("the bundled model is not here: its server was not tried with the official client")
failed = 0
for name, command, options in servers:
    with server(*command) as (port, process, seconds):
        print(f"{name}: ready after {seconds:.2f} s", flush=True)
        failed += subprocess.run([sys.executable, str(here / "openai_client.py"), f"http://127.0.0.1:{port}/v1", *options]).returncode != 0
sys.exit(1 if failed else 0)
