#!/usr/bin/env python3
"""./serve: builds (here: finds built), serves the bundled model, prints a curl line; that line, run as printed, answers."""
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

from running import BIN, ROOT, skip_all

if BIN != ROOT / "build" / "release" / "bin":
    skip_all("./serve builds in build/release, which this is not")

with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
script = subprocess.Popen([ROOT / "serve", "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          start_new_session=True)
try:
    line = next(text for text in script.stdout if text.startswith("curl "))
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1)
            break
        except OSError:
            if script.poll() is not None:
                sys.exit(f"./serve ended with {script.returncode}")
            time.sleep(0.05)
    answer = json.loads(subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, check=True).stdout)
    print(answer["choices"][0]["message"]["content"])
    if answer["object"] != "chat.completion" or not answer["choices"][0]["message"]["content"]:
        sys.exit(f"the printed line gives {answer}")
    script.send_signal(signal.SIGINT)
    if script.wait(60) != 0:
        sys.exit(f"exit code {script.returncode} after SIGINT")
finally:
    if script.poll() is None:
        os.killpg(script.pid, signal.SIGKILL)
