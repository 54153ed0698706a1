#!/usr/bin/env python3
"""timed.py COMMAND...: runs it, and where it makes a file (-o FILE) writes the seconds of a processor that it took into FILE.seconds.
A launcher of compilers, by which test_units.py knows what the build took, and compiles nothing twice. Less than what it is told is no
answer: without FILE, or where the command fails, there is no file of seconds."""
import pathlib
import resource
import subprocess
import sys


def main():
    command = sys.argv[1:]
    target = pathlib.Path(command[command.index("-o") + 1] + ".seconds") if "-o" in command[:-1] else None
    if target:
        target.unlink(missing_ok=True)
    code = subprocess.run(command).returncode
    if target and code == 0:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        target.write_text(f"{used.ru_utime + used.ru_stime:.2f}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
