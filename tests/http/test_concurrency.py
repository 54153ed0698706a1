#!/usr/bin/env python3
"""Sixty-four streaming clients with random cancels against the scripted engine, and against the bundled model with little
KV memory: every surviving answer equals the same request served alone, and nothing is held afterwards."""
import pathlib
import subprocess
import sys

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "server"))
from running import BIN, MODEL, server, skip  # noqa: E402

# 4.5 MiB of KV memory (56 pages) hold about a quarter of the tokens that 64 requests of this kind would like to keep.
servers = [("scripted engine", [BIN / "fake_server", "0"], [])]
if (MODEL / "model.safetensors").exists():
    servers.append(("bundled model", [BIN / "verbatim", "serve", "--model", MODEL, "--port", "0", "--max-batch", "64", "--kv-memory", "0.0044"],
                    ["--rounds", "2", "--max-tokens", "250"]))
else:
    skip("the bundled model is not here: its server was not tried with many clients")
failed = 0
for name, command, options in servers:
    with server(*command) as (port, process, seconds):
        print(f"{name}: ready after {seconds:.2f} s", flush=True)
        failed += subprocess.run([sys.executable, str(here / "concurrency.py"), f"http://127.0.0.1:{port}/v1", *options]).returncode != 0
sys.exit(1 if failed else 0)
