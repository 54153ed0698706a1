#!/usr/bin/env python3
"""The programs that the documentation shows run on the bundled model and do what it says of them."""
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request

from running import BIN, MODEL, server, skip

PROMPT = "<|im_start|>user\nWhat is 17 + 25?<|im_end|>\n<|im_start|>assistant\n"


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=120)
    print(done.stdout)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: exit code {done.returncode}\n{done.stderr}")
    return done.stdout


first = run(BIN / "generate", MODEL, PROMPT)
if "#0 (" not in first or "#1 (" not in first:
    sys.exit("generate: two continuations expected")
if run(BIN / "generate", MODEL, PROMPT) != first:
    sys.exit("generate: the same seed gave another text")
run(BIN / "custom_sampler", MODEL, PROMPT)  # checks itself: the forbidden token does not come, nothing is shared



def ask(port, model):
    body = {"model": model, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 8}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    print(json.load(urllib.request.urlopen(request, timeout=60))["choices"][0])


with server(BIN / "openai_server", MODEL, "0") as (port, process, seconds):
    ask(port, MODEL.name)

for wrong in (["70000"], [""], ["80x"], ["0", "1"], ["cuda", "0"]):
    done = subprocess.run([BIN / "openai_server", MODEL, *wrong], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    if done.returncode != 2 or "usage" not in done.stderr:
        sys.exit(f"openai_server {wrong}: exit code {done.returncode}\n{done.stderr}")

# On a GPU it is the same program; where there is none that it can use, it says so.
on_gpu = subprocess.Popen([BIN / "openai_server", MODEL, "0", "cuda"], stderr=subprocess.PIPE, text=True)
line = next((text for text in on_gpu.stderr if "serving" in text or "verbatim.device" in text), "")
print(line)
if "serving" in line:
    ask(int(line.split("127.0.0.1:")[1].split("/")[0]), MODEL.name)
    on_gpu.send_signal(signal.SIGINT)
on_gpu.stderr.read()
if on_gpu.wait(60) != (0 if "serving" in line else 1) or not line:
    sys.exit(f"openai_server on a GPU: exit code {on_gpu.returncode}, said {line!r}")

for name in ("generate", "custom_sampler", "minimal_server"):   # compiled for GPUs; where there is one, tests/cuda has what they are made of
    if (BIN / f"{name}_gpu").exists() and "serving" not in line:
        done = subprocess.run([BIN / f"{name}_gpu", MODEL, *([PROMPT] if name != "minimal_server" else [])], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, timeout=60)
        if done.returncode == 0 or "verbatim.device" not in done.stderr:
            sys.exit(f"{name}_gpu without a GPU: exit code {done.returncode}\n{done.stderr}")

# The smallest server has no options: it takes port 8000, when nothing else does.
with socket.socket() as probe:
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", 8000))
    except OSError:
        skip("port 8000 is taken: examples/minimal_server was not run")
        sys.exit(0)
smallest = subprocess.Popen([BIN / "minimal_server", MODEL])
try:
    for _ in range(200):
        try:
            urllib.request.urlopen("http://127.0.0.1:8000/health", timeout=1)
            break
        except OSError:
            time.sleep(0.05)
    ask(8000, "qwen3")
    smallest.send_signal(signal.SIGINT)
    if smallest.wait(60) != 0:
        sys.exit(f"minimal_server: exit code {smallest.returncode} after SIGINT")
finally:
    if smallest.poll() is None:
        smallest.kill()
