#!/usr/bin/env python3
"""The bundled model, served: ready within a second, and as good at its sums and tool calls as its model card says."""
import subprocess
import sys

from running import BIN, MODEL, server, skip_all

if not (MODEL / "model.safetensors").exists():
    skip_all("the bundled model is not here")
with server(BIN / "verbatim", "serve", "--model", MODEL, "--port", "0") as (port, process, seconds):
    print(f"ready after {seconds:.2f} s", flush=True)
    code = subprocess.run([sys.executable, str(MODEL / "evaluate.py"), "--url", f"http://127.0.0.1:{port}/v1", "--count", "200",
                           "--kinds", "arithmetic", "tool_calls", "--show", "3"]).returncode
sys.exit(code)
