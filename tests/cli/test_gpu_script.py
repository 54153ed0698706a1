#!/usr/bin/env python3
"""benchmarks/gpu.sh without a GPU: it says so and writes nothing; with stand-ins for the card and the programs, its record says what was
measured, what failed and what was not reached; percent of floor and ratios are computed here once more."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from gpu_stand_ins import LIMITS, ROOT, bench_row, card, expect, problems, program, programs_in, run
import gpu_record
import gpu_run


def near(x, y):
    return abs(x - y) <= 1e-4 * abs(y)


def without_a_gpu(folder):
    program(folder / "nvidia-smi", "echo 'NVIDIA-SMI has failed'; exit 9\n")
    done = run(folder, record=folder / "record.json")
    expect("exit code 77 without a GPU", done.returncode == 77)
    expect("it says that there is none", "no NVIDIA GPU here" in done.stderr)
    expect("nothing is written", not (folder / "record.json").exists() and not done.stdout)
    expect("exit code 2 for an unknown option", run(folder, "--no-such", "x", record=folder / "r").returncode == 2)


def with_stand_ins(folder):
    """Shapes: one measured, one that gives no row, one whose program hangs after its first; a test that passes, one that fails, one that skips."""
    card(folder)
    # One tool finds nothing, one finds something, one is not of this version, one does not work on this machine.
    program(folder / "compute-sanitizer", '''echo "$*" >>"${0%/*}/sanitized"
case "$2" in
  memcheck) echo "========= ERROR SUMMARY: 0 errors" ;;
  racecheck) echo "========= RACECHECK SUMMARY: 2 hazards displayed (2 errors, 0 warnings)"; exit 9 ;;
  initcheck) echo "invalid tool" >&2; exit 1 ;;
  synccheck) echo "========= ERROR SUMMARY: 3 errors"; echo "Device not supported" >&2; exit 9 ;;
esac
''')
    programs = programs_in(folder)
    program(programs / "cuda_tests", '''case "$1" in
  --list-test-names-only) echo "unknown option" >&2; echo "0 skipped"; exit 1 ;;
  --list-tests) printf '%s\\n' "gpu: good" "gpu: a, b" "gpu: other" "0 skipped" ;;
  "gpu: good") ;;
  "gpu: a\\, b") echo "CHECK failed" >&2; exit 1 ;;
  *) echo "SKIPPED: NCCL is not installed"; echo "1 skipped"; exit 77 ;;
esac
''')
    program(programs / "verbatim", f'''case "$*" in
  *0.5b*) echo '{bench_row(1, 2048, 2, 50000.0, 100.0)}'; echo '{bench_row(1, 1024, 32, 40000.0, 2000.0)}'; echo '{bench_row(64, 1024, 32, 40000.0, 70000.0)}' ;;
  *1.5b*) echo '{bench_row(1, 2048, 2, 30000.0, 100.0)}'; printf '{{"batch": 1, "pro'; sleep 60 ;;
esac
''')
    program(programs / "bench_gpu_kernels", '''[[ $* = */shapes/qwen2.5-0.5b.json* ]] && echo '{"what": "refit", "shape": "qwen2.5-0.5b", "seconds": 0.001}'
''')
    program(programs / "bench_contract", '''echo '{"what": "decode", "shape": "qwen2.5-1.5b", "batch": 1, "ratio": 0.93}'; echo "$*" >"${0%/*}/contract"
''')
    kept, record, begin = folder / "raw", folder / "record.json", time.monotonic()
    done = run(folder, "--programs", programs, "--raw", kept, "--no-torch", "--budget", 14, "--only", "tests,sanitizers,verbatim,torch",
               "--shapes", "qwen2.5-0.5b,llama-3.2-1b,llama-3.1-8b,qwen2.5-1.5b,qwen2.5-7b", "--batch", "1,64", record=record)
    expect(f"it ends within the budget ({time.monotonic() - begin:.1f} s)", time.monotonic() - begin < 16)
    expect(f"exit code 1 where a test failed (got {done.returncode}: {done.stderr[-400:]})", done.returncode == 1)
    r = json.loads(record.read_text())
    expect("the record names commit, card, driver and clocks", r["commit"] == "abc1234" and r["gpu"]["before"]["name"] == "NVIDIA Stand-in" and
           r["gpu"]["before"]["driver_version"] == "580.1" and r["gpu"]["after"]["clocks.max.sm"] == "1980" and r["limits"] == LIMITS)
    expect("tests are told apart", [t["status"] for t in r["tests"]] == ["done", "failed", "skipped"] and r["tests"][1]["why"] == "CHECK failed"
           and "NCCL" in r["tests"][2]["why"])
    found = r["sanitizers"]
    expect(f"each tool of the sanitizer has a row of its own: {found}", {tool: row["status"] for tool, row in found.items()} ==
           {"memcheck": "done", "initcheck": "not measured", "synccheck": "not measured", "racecheck": "failed"} and
           found["memcheck"]["summary"] == "ERROR SUMMARY: 0 errors" and "invalid tool" in found["initcheck"]["why"] and
           found["racecheck"]["summary"].endswith("(2 errors, 0 warnings)"))
    calls = (folder / "sanitized").read_text().splitlines()
    expect(f"each looks at the small shape: {calls}", len(calls) == 4 and all("shapes/small.json" in c and "--error-exitcode 9" in c for c in calls))
    expect("sanitizers have room in a call of their own", sum(seconds for seconds, _ in gpu_run.SANITIZERS.values()) + gpu_run.RATES < 560)
    expect("tools are the same in run and record", tuple(gpu_run.SANITIZERS) == gpu_record.TOOLS)
    expect("the table names what a tool found", "racecheck: RACECHECK SUMMARY: 2 hazards" in done.stdout and "initcheck: not measured, invalid tool" in done.stdout)
    expect("clocks are sampled beside each part", any(p.get("load", {}).get("clocks.sm") == 1755 for p in r["parts"]))
    rows = {(x["shape"], x["what"], x["batch"]): x for x in r["results"]}
    expect("rows of both programs are there, the first of the stopped one too",
           set(rows) == {("qwen2.5-0.5b", "prefill", 1), ("qwen2.5-0.5b", "decode", 1), ("qwen2.5-0.5b", "decode", 64),
                                                                                            ("qwen2.5-1.5b", "prefill", 1)})
    missing = {(m.get("shape"), m.get("what"), m.get("batch"), m.get("who")): m["why"] for m in r["not_measured"]}
    expect("what was stopped says so", "out of time" in missing[("qwen2.5-1.5b", "decode", 64, "verbatim")])
    expect("what was not reached says so", "not reached" in missing[("qwen2.5-7b", "decode", 1, "verbatim")])
    expect("what gave no row says so", "no figure" in missing[("llama-3.2-1b", "decode", 1, "verbatim")])
    expect("what was not asked for says so", "asked not to" in missing[("qwen2.5-0.5b", "decode", 1, "PyTorch")])
    expect("kernels alone and what exactness costs are there", r["kernels"] == [{"what": "refit", "shape": "qwen2.5-0.5b", "seconds": 0.001}] and
           [x["ratio"] for x in r["contract_cost"]] == [0.93])
    expect("the cost is that of the largest shape",
           (programs / "contract").read_text().split() == ["--device", "cuda", "--batch", "1,64", str(ROOT / "benchmarks/shapes/qwen2.5-7b.json")])
    bars = {b["subject"]: b for b in r["bars"]}
    expect("bars without a figure are not measured, and say by what", bars["refit of the 8B shape from device memory"]["status"] == "not measured" and
           all(b["command"] for b in r["bars"]) and bars["conformance suites over the CUDA device"]["status"] == "missed")
    expect("a bar with all its figures is judged", bars["batch_invariant over fastest, decode"]["status"] == "reached" and
           bars["batch_invariant over fastest, prefill"]["status"] == "not measured")
    expect("no setting of the card is touched", not (folder / "set").exists())
    expect("a table is printed", "qwen2.5-0.5b" in done.stdout and "tests: 1 of 3 passed" in done.stdout)
    again = run(folder, "--programs", programs, "--no-torch", "--budget", 0, "--commit", "given", record=record)
    expect("what is of another commit stays as it is", json.loads(record.read_text()) == r)
    r = json.loads((folder / "record-2.json").read_text())
    expect("with no time nothing is measured, and the record says so", again.returncode == 0 and r["commit"] == "given" and r["results"] == []
           and len(r["not_measured"]) > 30)


def with_the_program(folder):
    """The real program on the CPU in the GPU's place: what it prints is what the record reads."""
    binary = os.environ.get("VERBATIM_BINARY", "")
    if not pathlib.Path(binary).is_file():
        print("SKIPPED: no program verbatim was built")
        return
    program(folder / "nvidia-smi", 'echo "NVIDIA Stand-in, 1, [N/A], 1, 1, 1, 1, 1, 1, 1, Enabled, P0, Enabled, 0"\n')
    programs = programs_in(folder)
    program(programs / "verbatim", f'exec "{binary}" "${{@/#cuda/cpu}}" --threads 1\n')
    done = subprocess.run([sys.executable, ROOT / "benchmarks/gpu_run.py", "--programs", programs, "--raw", folder / "raw", "--record", folder / "r.json",
                           "--no-torch", "--budget", "100",
                           "--shapes", "small", "--batch", "1,3", "--prompt", "40", "--output", "4", "--prefill", "64", "--repetitions", "1"],
                          stdout=subprocess.PIPE, text=True, env={**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}, timeout=200)
    r = json.loads((folder / "r.json").read_text())
    figures = {(x["what"], x["batch"]): x["verbatim"] for x in r["results"]}
    expect(f"all that the program prints is found: {done.stdout[-300:]} {r['parts']}", set(figures) == {("prefill", 1), ("decode", 1), ("decode", 3)} and
           all(x["tokens_per_second"] > 0 and x["of_floor"] > 0 for x in figures.values()))


def test_programs(folder):
    """A real program of tests: its names are found one by one, and each runs that test alone, whatever marks are in the name."""
    real = pathlib.Path(os.environ.get("VERBATIM_BIN", "/nonexistent")) / "unit_tests"
    if not real.is_file():
        print("SKIPPED: no unit_tests were built")
        return
    names = gpu_run.test_names(real, os.environ)
    expect(f"names of tests are found ({len(names)})", len(names) > 50 and "All available test cases:" not in names)
    marked = [n for n in names if "," in n]
    expect("some name has a comma", marked)
    done = subprocess.run([real, gpu_run.as_filter(min(marked, key=len)), "--list-test-names-only"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          timeout=100)
    if "skipped" in done.stdout and done.stdout.count("\n") > 1:   # version 2 lists what the name selects
        expect("a name selects its test alone", done.stdout.splitlines()[:-1] == [min(marked, key=len)])


def canned(folder):
    """The record alone, from outputs as parts leave them."""
    raw = folder / "canned"
    raw.mkdir()
    about = {"commit": "abc", "date": "2026-01-02", "before": {"name": "NVIDIA Stand-in"},
             "workload": {"shapes": "qwen2.5-0.5b,llama-3.1-8b", "batch": "1,64", "prompt": 1024, "output": 32,
                                                                                                       "prefill": 2048, "repetitions": 3}}
    parts = [{"name": n, "status": "done"} for n in ("limits", "memcheck", "torch/ops", "bench/qwen2.5-0.5b", "torch/qwen2.5-0.5b", "bench/llama-3.1-8b")]
    parts.append({"name": "torch/llama-3.1-8b", "status": "failed", "code": 1, "why": "out of memory"})
    (raw / "run.json").write_text(json.dumps({"about": about, "seconds": 500, "budget": 560, "parts": parts}))
    (raw / "limits.out").write_text(json.dumps(LIMITS) + "\n")
    (raw / "memcheck.out").write_text("========= ERROR SUMMARY: 0 errors\n")
    (raw / "bench.qwen2.5-0.5b.out").write_text("\n".join([bench_row(1, 2048, 2, 50000.0, 100.0), bench_row(1, 1024, 32, 40000.0, 2000.0),
                                                           bench_row(64, 1024, 32, 40000.0, 70000.0)]))
    (raw / "bench.llama-3.1-8b.out").write_text("\n".join([bench_row(1, 2048, 2, 25000.0, 100.0), bench_row(1, 1024, 32, 20000.0, 200.0),
                                                           bench_row(64, 1024, 32, 20000.0, 8000.0)]))
    decode = {"what": "decode", "shape": "qwen2.5-0.5b", "context": 1040}
    (raw / "torch.qwen2.5-0.5b.out").write_text("\n".join(json.dumps(row) for row in (
        {"what": "versions", "torch": "2.11.0", "transformers": "5.17.0"}, {**decode, "mode": "eager", "batch": 1, "tokens_per_second": 100.0},
        {**decode, "mode": "graph", "batch": 1, "tokens_per_second": 1600.0}, {**decode, "mode": "eager", "batch": 64, "failed": "OutOfMemoryError: no"})))
    (raw / "compile.qwen2.5-0.5b.out").write_text(json.dumps({**decode, "mode": "compile", "batch": 1, "tokens_per_second": 2500.0}))
    (raw / "torch.ops.out").write_text(json.dumps({"what": "attention", "tokens": 8192, "flop": 4e11, "seconds": 1e-3, "least": 1e-3, "most": 1e-3}) + "\n" +
                                       json.dumps({"what": "matmul", "rows": 1, "bytes": 4e9, "flop": 4e9, "seconds": 2e-3}) + "\n")
    large = ("qwen2.5-7b", "llama-3.1-8b")
    kernels = [{"what": "decode attention", "shape": s, "batch": b, "context": 32768, "of_floor": 0.8 - 0.01 * b} for s in large for b in (1, 8)]
    kernels += [{"what": "prefill attention", "shape": s, "prompt": n, "tflop_per_second": 100.0 if n < 8192 else 400.0} for s in large for n in (2048, 8192)]
    (raw / "kernels.out").write_text("\n".join(json.dumps(row) for row in [*kernels, {"what": "refit", "shape": "llama-3.1-8b", "seconds": 0.0512}]))
    (raw / "contract.out").write_text(json.dumps({"what": "prefill", "shape": "qwen2.5-7b", "batch": 1, "ratio": 0.81}) + "\n" + '{"what": "dec')
    out = folder / "canned.json"
    done = subprocess.run([sys.executable, ROOT / "benchmarks/gpu_record.py", raw, out], stdout=subprocess.PIPE, text=True)
    expect("the record is made from outputs alone", done.returncode == 0)
    r = json.loads(out.read_text())
    rows = {(x["shape"], x["what"], x["batch"]): x for x in r["results"]}
    one = rows[("qwen2.5-0.5b", "decode", 1)]
    # By hand: 494,032,768 parameters, all read; 2 x 24 layers x 2 heads x 64 x 2 bytes a cached token.
    step = (2 * 494032768 + 12288 * 1040) / 4e12
    expect("percent of floor of a decode step, by hand", near(one["verbatim"]["of_floor"], 2000 * step))
    expect("the fastest mode of PyTorch is the peer", one["pytorch"]["fastest"] == "compile" and near(one["ratio"], 2000 / 2500)
           and set(one["pytorch"]["modes"]) == {"eager", "graph", "compile"})
    expect("a failed mode is the reason", any("OutOfMemoryError" in m["why"] for m in r["not_measured"] if m.get("batch") == 64 and m["who"] == "PyTorch"))
    expect("a failed part is the reason", any("out of memory" in m["why"] for m in r["not_measured"] if m.get("shape") == "llama-3.1-8b"))
    body = 32 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 14336)
    flop = 2 * (body * 2048 + 128256 * 4096) + 4 * 32 * 4096 * 2048 * 2049 / 2
    expect("percent of floor of a prompt, by hand", near(rows[("llama-3.1-8b", "prefill", 1)]["verbatim"]["of_floor"], 25000 * flop / 8e14 / 2048))
    expect("operators are held against the rates", [round(x["of_floor"], 3) for x in r["pytorch_operators"]] == [0.5, 0.5])
    expect("memcheck's summary is there", r["sanitizers"]["memcheck"].get("summary") == "ERROR SUMMARY: 0 errors")
    expect("tools that did not run are not measured", all(r["sanitizers"][t]["status"] == "not measured" for t in ("initcheck", "synccheck", "racecheck")))
    bars = {b["subject"]: b for b in r["bars"]}
    for subject, status in {"decode attention alone, context 32,768": "missed", "prefill attention, head 128, causal, 8,192": "reached",
                            "refit of the 8B shape from device memory": "missed", "batch_invariant over fastest, prefill": "reached",
                            "batch_invariant over fastest, decode": "not measured", "decode, batch 1, 0.5B shape": "reached",
                            "decode, batch 1, 7B and 8B shapes": "not measured", "read-only stream, device copy, bf16 product": "reached"}.items():
        expect(f"bar {subject}: {status}, got {bars[subject]}", bars[subject]["status"] == status)
    expect("what a bar misses is named", bars["decode, batch 1, 7B and 8B shapes"]["missing"] == ["qwen2.5-7b, batch 1"])
    page = (ROOT / "docs/performance.md").read_text()
    for subject, bar in bars.items():
        row = [line for line in page.splitlines() if line.startswith(f"| {subject} | {bar['must'].replace('>=', '≥').replace('<=', '≤')} |")]
        expect(f"docs/performance.md lists the bar '{subject}' and its command", len(row) == 1 and f"`{bar['command']}`" in row[0])
    # Bytes that a step reads, of the models as they are published.
    for shape, gb in {"qwen2.5-0.5b": 0.988, "qwen2.5-1.5b": 3.087, "qwen2.5-7b": 14.141, "llama-3.2-1b": 2.472, "llama-3.1-8b": 15.010}.items():
        config = json.loads((ROOT / f"benchmarks/shapes/{shape}.json").read_text())
        expect(f"{shape} reads {gb} GB a step", abs(gpu_record.floors(config)["step_bytes"] / 1e9 - gb) < 6e-4)


with tempfile.TemporaryDirectory() as name:
    for index, check in enumerate((without_a_gpu, with_stand_ins, with_the_program, test_programs, canned)):
        folder = pathlib.Path(name) / str(index)
        folder.mkdir()
        check(folder)
print(f"{len(problems)} problems")
sys.exit(1 if problems else 0)
