#!/usr/bin/env python3
"""The programs that measure a GPU, without a GPU: with --dry those of kernels run everything once under the emulator, and that of contracts
on the CPU, and print rows of JSON, without times; else they say that there is no GPU."""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("VERBATIM_BIN", "/nonexistent"))
SMALL = ROOT / "benchmarks/shapes/small.json"
problems = []


def expect(what, holds):
    if not holds:
        problems.append(what)
        print(f"not so: {what}")


def run(name, *arguments, code=0):
    env = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([BIN / name, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600, env=env)
    expect(f"{name} {arguments}: exit code {code}, got {done.returncode}: {done.stderr[-300:]}", done.returncode == code)
    if code == 0:
        return [json.loads(line) for line in done.stdout.splitlines()]
    expect(f"{name} {arguments} prints no row", not done.stdout)
    # With the driver's own words: a driver that is too old is not the same as no GPU.
    expect(f"{name} {arguments} says why: {done.stderr}", "no CUDA device" in done.stderr and "cudaError" in done.stderr if code == 77 else "usage" in done.stderr)
    return []


def leave_out(reason):
    """The rest cannot be checked here."""
    print(f"SKIPPED: {reason}; {len(problems)} problems")
    if log := os.environ.get("VERBATIM_SKIPS"):
        with open(log, "a") as file:
            file.write(reason + "\n")
    sys.exit(1 if problems else 77)


if not (BIN / "bench_contract").is_file():
    leave_out("no benchmarks were built")
rows = run("bench_contract", "--dry")
expect(f"a prompt and two batches: {rows}",
       [(r["what"], r["batch"], r["device"][:5]) for r in rows] == [("prefill", 1, "cpu::"), ("decode", 1, "cpu::"), ("decode", 3, "cpu::")])
expect("no ratio of what was not timed", not any("ratio" in r for r in rows))
for name in ("bench_contract", "bench_refit"):
    for wrong in (["--device", "tpu"], ["--device"], ["1", "2", "3"]):
        run(name, *wrong, code=2)
for wrong in (["--batch", "1,"], ["--batch", "0"], ["--batch", "4097"], ["--rounds", "1"], ["--rounds", "2,3"], ["--no-such", SMALL], [SMALL, SMALL]):
    run("bench_contract", *wrong, code=2)
if not (BIN / "bench_gpu_kernels").is_file():
    leave_out("benchmarks of a GPU's kernels: none were built")
run("bench_gpu_rates", code=77)
run("bench_gpu_kernels", code=2)
run("bench_gpu_kernels", SMALL, code=77)
run("bench_gpu_kernels", "--no-such", SMALL, code=2)
run("bench_contract", "--device", "cuda", SMALL, code=77)
run("bench_refit", "--device", "cuda", code=77)
run("bench_gpu_kernels", "--only", "nothing", SMALL, code=2)

rows = run("bench_gpu_kernels", "--dry", SMALL)
found = {}
for r in rows:
    found.setdefault(r["what"], []).append(r)
    expect(f"no time and no failure: {r}", not {"seconds", "of_floor", "failed"} & r.keys())
expect(f"every kind is there: {sorted(found)}", set(found) == {"decode attention", "shared decode attention", "prefill attention", "product", "refit", "sampling"})
products = found.get("product", [])
expect("products of all matrices by both parts", {(r["part"], r["matrix"]) for r in products} ==
       {(part, matrix) for part in ("tensor_linear", "library_linear") for matrix in ("qkv", "o", "gate_up", "down", "head")})
# By hand: 4 heads of 64, 2 of keys and values; hidden 256, intermediate 512, vocabulary 512, 2 layers.
qkv = [r for r in products if r["matrix"] == "qkv" and r["rows"] == 65]
expect("bytes and arithmetic of a product", all(r["outputs"] == 512 and r["flop"] == 2 * 65 * 512 * 256 and
                                                r["bytes"] == 2 * (512 * 256 + 65 * 256 + 65 * 512) for r in qkv))
expect("of a part that reads tiles, with x in tiles and with x in rows", {(r["part"], r["x"]) for r in qkv} ==
       {("tensor_linear", "tiles"), ("tensor_linear", "rows"), ("library_linear", "rows")} and len(qkv) == 3)
decode = [r for r in found.get("decode attention", []) if (r["batch"], r["context"]) == (3, 300)]
expect("bytes of decoding", [r["bytes"] for r in decode] == [4 * 3 * 300 * 2 * 64])
shared = found.get("shared decode attention", [])
expect("a shared prefix is found, and counted once", [(r["shared"], r.get("runs"), r["bytes"]) for r in shared] == [(256, 1, 4 * (256 + 3 * (350 - 256)) * 2 * 64)])
expect("arithmetic of a prompt", [r["flop"] for r in found.get("prefill attention", [])] == [2 * 70 * 71 * 4 * 64])
weights = 2 * (2 * 256 * 256 + 2 * 256 * 128 + 3 * 256 * 512 + 2 * 256) + 256 + 2 * 512 * 256
expect("bytes of a refit, read and written", [r["bytes"] for r in found.get("refit", [])] == [2 * 2 * weights])
expect("only what is asked for", {r["what"] for r in run("bench_gpu_kernels", "--dry", "--only", "sampling,refit", SMALL)} == {"sampling", "refit"})
print(f"{len(problems)} problems")
sys.exit(1 if problems else 0)
