#!/usr/bin/env python3
"""benchmarks/perplexity.py scores the same tokens under every format, and more bits are nearer to the checkpoint's own figure."""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

from running import BIN, MODEL, skip_all

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import perplexity  # noqa: E402

with tempfile.TemporaryDirectory() as folder:   # rounded to the nearest bf16, ties to even
    model = pathlib.Path(folder) / "model"
    model.mkdir()
    (model / "config.json").write_text('{"dtype": "float32"}')
    header = json.dumps({"a": {"dtype": "F32", "shape": [5], "data_offsets": [0, 20]}}).encode()
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<5f", 1, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 1.5 * 2**-8, -3))
    copy = perplexity.rounded_to_bf16(model, pathlib.Path(folder) / "copy")
    assert (copy / "model.safetensors").read_bytes()[-10:] == struct.pack("<5H", 0x3f80, 0x3f80, 0x3f82, 0x3f81, 0xc040)
    assert json.loads((copy / "config.json").read_text()) == {"torch_dtype": "bfloat16"}

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
