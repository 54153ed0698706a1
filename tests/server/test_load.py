#!/usr/bin/env python3
"""The load generator counts what it sent, and the comparison with llama-server runs to its end, with this project's own server in
the peer's place: equal work, a record of every figure, a picture of the record. No figure is looked at for its size."""
import json
import pathlib
import subprocess
import sys
import tempfile
import xml.dom.minidom

from running import BIN, MODEL, server, skip_all

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import server_load  # noqa: E402

if not (MODEL / "model.safetensors").exists():
    skip_all("the bundled model is not here: no load was put on it")

with server(BIN / "fake_server", "0") as (port, process, seconds):   # a scripted engine, which always has something to say
    for stream in (True, False):
        row = server_load.run(port, 4, 3, 9, 5, stream, 1, timeout=120)
        print(row)
        assert row["clients"] == 4 and row["requests"] == 12
        tokens = row["tokens_per_second"] / row["requests_per_second"]
        assert abs(tokens - 9) < 1e-6, "every answer has as many tokens as were asked for"
        assert 0 < row["latency_p50_ms"] <= row["latency_p99_ms"]
        if stream:
            assert 0 < row["ttft_p50_ms"] <= row["ttft_p99_ms"] <= row["latency_p99_ms"]
            assert 0 <= row["itl_p50_ms"] <= row["itl_p99_ms"]
    try:
        server_load.run(port, 1, 1, 9, 5, True, 1, model="another", timeout=60)
        sys.exit("a refused request passed for an answered one")
    except RuntimeError as e:
        assert "404" in str(e), e

with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    peer = folder / "llama-server"
    peer.write_text(f'#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = --port ] && port=$2; shift; done\nexec "{BIN / "verbatim"}" serve --model "{MODEL}" --port "$port"\n')
    peer.chmod(0o755)
    record, picture = folder / "record.jsonl", folder / "out.svg"
    done = subprocess.run([sys.executable, ROOT / "benchmarks/peers/llama_server.py", "--llama", folder, "--gguf", folder / "tiny.gguf", "--model", MODEL,
                           "--verbatim", BIN / "verbatim", "--clients", "2", "--requests", "2", "--tokens", "5", "--words", "5", "--rounds", "2",
                           "--json", record], stdout=subprocess.PIPE, text=True, timeout=300)
    print(done.stdout)
    assert done.returncode == 0
    rows = [json.loads(line) for line in record.read_text().splitlines()]
    assert {"tokens_per_second", "latency_p99_ms", "ready_seconds", "resident_mb"} <= {r["what"] for r in rows}
    assert all(r["llama_cpp"] > 0 and r["verbatim"] > 0 and r["rounds"] == 2 for r in rows)
    subprocess.run([sys.executable, ROOT / "benchmarks/plot.py", record, picture], check=True)
    assert len(xml.dom.minidom.parse(str(picture)).getElementsByTagName("rect")) == len(rows) + 1
