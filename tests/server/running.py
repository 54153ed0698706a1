"""Starts a program that serves, waits until it says where, and stops it as Ctrl-C does."""
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ["VERBATIM_BIN"])
MODEL = ROOT / "examples" / "models" / "tiny-chat"


def skip(reason):
    """Says that a check cannot be made here, and puts the reason on ./check's list."""
    print(f"SKIPPED: {reason}", flush=True)
    if log := os.environ.get("VERBATIM_SKIPS"):
        with open(log, "a") as out:
            out.write(reason + "\n")


def skip_all(reason):
    """The same, and leaves with the exit code that ctest counts as skipped."""
    skip(reason)
    sys.exit(77)


@contextlib.contextmanager
def server(*command, ready=r"http://127\.0\.0\.1:(\d+)", seconds=120):
    """Gives (port, process, seconds to ready). The server must end by itself, with exit code 0, after SIGINT."""
    start = time.monotonic()
    process = subprocess.Popen([str(c) for c in command], stderr=subprocess.PIPE, text=True, errors="replace")
    found, lines = threading.Event(), []

    def read():
        for line in process.stderr:
            lines.append(line)
            if "serving" in line and re.search(ready, line):
                found.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    deadline = start + seconds
    while not found.wait(0.02):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            sys.exit(f"{command[0]}: not serving after {time.monotonic() - start:.1f} s\n" + "".join(lines))
    took = time.monotonic() - start
    port = int(re.search(ready, next(line for line in lines if "serving" in line))[1])
    try:
        yield port, process, took
        if process.poll() is not None:
            sys.exit(f"{command[0]} ended while it served: exit code {process.returncode}\n" + "".join(lines[-20:]))
        process.send_signal(signal.SIGINT)
        if process.wait(60) != 0:
            sys.exit(f"{command[0]}: exit code {process.returncode} after SIGINT\n" + "".join(lines[-20:]))
    finally:
        if process.poll() is None:
            process.kill()
