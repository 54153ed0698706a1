#!/usr/bin/env python3
"""`verbatim serve` logs requests on standard error, can be told not to, and goes on when nobody reads what it logs."""
import os
import pty
import re
import signal
import subprocess
import sys
import urllib.request

from running import BIN, MODEL, skip, skip_all

if not (MODEL / "model.safetensors").exists():
    skip_all("the bundled model is not here: no server was started")


class Server:
    """One whose standard error is read only as far as it is asked for. `terminal`: it is a terminal."""
    def __init__(self, *options, terminal=False):
        command = [BIN / "verbatim", "serve", "--model", MODEL, "--port", "0", *options]
        if terminal:
            ours, theirs = pty.openpty()
            self.process = subprocess.Popen(command, stderr=theirs, start_new_session=True)
            os.close(theirs)
            self.lines = os.fdopen(ours, errors="replace")
        else:
            self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
            self.lines = self.process.stderr
        line = self.line("serving")
        self.at = re.search(r"http://127\.0\.0\.1:\d+", line)[0]

    def line(self, word):
        for line in self.lines:
            if word in line:
                return line
        sys.exit(f"no line with '{word}' on standard error")

    def get(self, path):
        with urllib.request.urlopen(self.at + path, timeout=20) as answer:
            return answer.read()

    def end(self):
        self.process.send_signal(signal.SIGINT)
        if self.process.wait(30) != 0:
            sys.exit(f"exit code {self.process.returncode} after SIGINT")


on = Server()
try:
    on.get("/health")
    line = on.line("/health")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ GET /health 200 \d+\.\d ms\n", line), line
    for i in range(3000):   # far more than a pipe holds; nobody reads
        on.get("/version")
    assert on.get("/health")
finally:
    on.end()
rest = on.process.stderr.read().splitlines()
print(f"{len(rest)} lines were kept")
assert 100 < len(rest) < 3000 and all(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ ", line) for line in rest), rest[-1]

off = Server("--log-requests", "off")
try:
    off.get("/health")
finally:
    off.end()
rest = off.process.stderr.read()
assert "draining" in rest and "/health" not in rest, rest

unread = Server()
try:
    unread.process.stderr.close()   # as `verbatim serve 2>&1 | head`
    for i in range(3):
        unread.get("/health")
finally:
    unread.end()

try:
    os.close(pty.openpty()[1])
except OSError as problem:
    skip(f"a log on a terminal that nobody reads: no terminal can be made here ({problem})")
    sys.exit(0)
frozen = Server(terminal=True)   # whose other end nobody reads: a write to it is held up for ever
try:
    for i in range(1500):
        frozen.get("/version")
finally:
    frozen.end()
print("1500 requests beside a terminal that nobody reads")
