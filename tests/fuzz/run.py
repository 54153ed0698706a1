#!/usr/bin/env python3
"""Runs one fuzz target for a bounded time over its corpus; a crash, a hang or a leak fails, and says where the input is."""
import argparse
import os
import pathlib
import subprocess
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--program", required=True)
parser.add_argument("--corpus", required=True)
parser.add_argument("--seconds", type=int, required=True)
parser.add_argument("--libfuzzer", action="store_true")
parser.add_argument("--work", required=True)
args = parser.parse_args()

work = pathlib.Path(args.work)
grown = work / "corpus"
grown.mkdir(parents=True, exist_ok=True)
seeds = [args.corpus] if os.path.isdir(args.corpus) else []
if args.libfuzzer:
    # One input may take ten seconds and 2 GiB at most; what is found grows in the build folder, never in the repository.
    command = [args.program, f"-max_total_time={args.seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=65536",
               "-print_final_stats=1", f"-artifact_prefix={work}/", str(grown)] + seeds
else:
    command = [args.program, "--seconds", str(args.seconds), "--save", str(work / "last-input")] + seeds
try:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          timeout=args.seconds + 240)
except subprocess.TimeoutExpired:
    sys.exit(f"{args.program}: no end after {args.seconds + 240} s; its files are in {work}")
print("\n".join(done.stdout.splitlines()[-60:]))
if done.returncode != 0:
    sys.exit(f"{args.program}: exit code {done.returncode}; the input is in {work}")
