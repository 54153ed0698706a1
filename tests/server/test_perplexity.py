#!/usr/bin/env python3
"""benchmarks/perplexity.py scores the same tokens under every format, and more bits are nearer to the checkpoint's own figure."""
import json
import pathlib
import subprocess
import sys
import tempfile

from running import BIN, MODEL, skip_all

ROOT = pathlib.Path(__file__).resolve().parents[2]
if not (MODEL / "model.safetensors").exists():
    skip_all("the bundled model is not here: no perplexity was measured")

with tempfile.TemporaryDirectory() as folder:
    text, record = pathlib.Path(folder) / "text.txt", pathlib.Path(folder) / "record.jsonl"
    text.write_text("Hello! How are you today? What is two plus three? Two plus three is five. " * 12)
    subprocess.run([sys.executable, ROOT / "benchmarks/perplexity.py", "--model", MODEL, "--text", text, "--verbatim", BIN / "verbatim", "--window", "40",
                    "--windows", "4", "--json", record], check=True, timeout=300)
    rows = {(r["weights"], r["kv"]): r for r in map(json.loads, record.read_text().splitlines())}
    assert len(rows) == 6 and len({r["tokens"] for r in rows.values()}) == 1 and rows["int8", "activations"]["tokens"] == 4 * 39
    away = {k: abs(r["ratio"] - 1) for k, r in rows.items()}
    print(rows)
    assert away["checkpoint", "activations"] == 0
    for few in [("int8", "activations"), ("checkpoint", "int8")]:
        assert 0 < away[few] < away["int4", "activations"] < 1, "eight bits are nearer than four"
    by_integers = rows["w4a8", "activations"]["ratio"] / rows["int4", "activations"]["ratio"]
    assert 0 < abs(by_integers - 1) < away["int4", "activations"] / 2, "rounding activations to eight bits costs less than weights to four"
