#!/usr/bin/env python3
"""The first ten steps of examples/grpo: the model learns, and at every step what is scored is what was sampled, as bits."""
import csv
import importlib.util
import json
import subprocess
import sys
import tempfile

from running import BIN, MODEL, ROOT, server, skip_all

STEPS = 10

if not (MODEL / "model.safetensors").exists():
    skip_all("the bundled model is not here")
for needed in ("autograd", "matplotlib", "ml_dtypes", "numpy", "safetensors"):
    if importlib.util.find_spec(needed) is None:
        skip_all(f"examples/grpo needs the Python package {needed}, which is not here")

with server(BIN / "verbatim", "serve", "--model", MODEL, "--port", "0", "--admin-key", "trainer") as (port, _, _), \
        tempfile.TemporaryDirectory() as out:
    run = [sys.executable, ROOT / "examples" / "grpo" / "grpo.py", "--url", f"http://127.0.0.1:{port}", "--out", out]
    refused = subprocess.run([*run, "--admin-key", "wrong"], capture_output=True, text=True, timeout=60)
    if refused.returncode == 0 or "401" not in refused.stderr:
        sys.exit(f"a refit with a wrong key: {refused.returncode} {refused.stderr}")
    subprocess.run([*run, "--admin-key", "trainer", "--steps", str(STEPS)], check=True, timeout=600)
    with open(out + "/reward.csv") as table:
        rows = list(csv.DictReader(table))
    record = json.load(open(out + "/record.json"))
    plot = open(out + "/grpo.svg").read()

problems = []
if [int(r["weight_version"]) for r in rows] != list(range(STEPS + 1)):
    problems.append("a step was not sampled from the weights before it")
if any(float(r["kl"]) != 0 for r in rows) or record["largest_kl"] != 0 or record["log_probs_compared"] < 10_000:
    problems.append("the KL of sampled from scored is not exactly 0")
if not all(1e-6 < float(r["step_kl"]) < 0.1 for r in rows[1:]):  # the same measure, where the weights do differ
    problems.append("a refit did not move the policy, or moved it far")
if not 1 < record["largest_trainer_error"] < 1.01:
    problems.append("the trainer's forward pass is not the server's")
if record["held_out_reward"]["end"] < record["held_out_reward"]["start"] + 0.2:
    problems.append("the reward did not rise by 20 points")
if plot.count("held-out") != 1 or plot.count("exactly 0") != 1:
    problems.append("the plot lacks a curve")
if problems:
    sys.exit("\n".join(map(str, [*problems, *rows, record])))
