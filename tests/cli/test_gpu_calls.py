#!/usr/bin/env python3
"""Calls of benchmarks/gpu.sh with stand-ins for the card and the programs: what comes first and fits the budget, what counts as failure,
that outputs outlive failures, and that several calls make one record."""
import json
import pathlib
import subprocess
import sys
import tempfile

from gpu_stand_ins import ROOT, bench_row, card, expect, problems, program, programs_in, run
import gpu_bars
import gpu_merge
import gpu_run
import gpu_runner

CONTRACT = '''echo '{"what": "decode", "shape": "qwen2.5-7b", "batch": 1, "ratio": 0.93}'; touch "${0%/*}/contract_ran"\n'''


def torch_row(mode, speed):
    return json.dumps({"what": "decode", "shape": "qwen2.5-0.5b", "mode": mode, "batch": 1, "context": 1040, "tokens_per_second": speed})


def python_with_torch(folder):
    """Python, but that its PyTorch is a stand-in."""
    program(folder / "python", f'''case "$*" in
  *"import torch"*) exit 0 ;;
  *torch_transformers*0.5b*compile*) echo '{torch_row("compile", 2500.0)}' ;;
  *torch_transformers*0.5b*) echo '{torch_row("eager", 100.0)}'; echo '{torch_row("graph", 1600.0)}' ;;
  *torch_transformers*) ;;
  *) exec "{sys.executable}" "$@" ;;
esac
''')
    return folder / "python"


def order(folder):
    """All that a call does by default, by the names of what it runs."""
    card(folder)
    programs = programs_in(folder, cuda_tests='case "$1" in --list-test-names-only) echo "gpu: one" ;; esac\n',
                           verbatim='echo "$*" >>"${0%/*}/benched"\n', bench_contract=CONTRACT, bench_gpu_kernels="\n")
    record = folder / "record.json"
    done = run(folder, "--programs", programs, "--python", python_with_torch(folder), record=record)
    expect(f"it ends well: {done.returncode} {done.stderr[-300:]}", done.returncode == 0)
    parts = json.loads(record.read_text())["parts"]
    names = [p["name"] for p in parts if p["status"] != "not measured"]
    large, small = ("llama-3.1-8b", "qwen2.5-7b"), ("qwen2.5-1.5b", "llama-3.2-1b")
    shapes = (*large, "qwen2.5-0.5b", *small)
    expect(f"what bars are about comes first, verbatim before PyTorch: {names}", names ==
           ["limits", "tests/gpu: one", *sum([[f"bench/{s}", f"bench/{s}/many"] for s in shapes[:3]], []), "contract", "kernels",
            *sum([[f"bench/{s}", f"bench/{s}/many"] for s in small], []), "torch/ops", *(f"torch/{s}" for s in shapes), *(f"compile/{s}" for s in shapes)])
    expect("sanitizers and the test of the 7B shape are for a call of their own",
           {p["name"] for p in parts if p.get("why") == "not asked for"} == {"real_shapes", *gpu_run.SANITIZERS})
    most = {line.split("s  ", 1)[1].rsplit(" (at most ", 1)[0]: float(line.rsplit(" (at most ", 1)[1].split()[0])
            for line in done.stdout.splitlines() if " (at most " in line}
    before = [n for n in names[:names.index("bench/qwen2.5-7b/many") + 1] if not n.startswith("tests/")]
    total = sum(most[n] for n in before) + gpu_run.TESTS * 560 + gpu_runner.WRITING
    expect(f"the 8B and 7B shapes have room even if all before them takes its whole time: {total} of 560", set(large) <= {n.split("/")[1] for n in before if "/" in n}
           and total <= 560 and most["tests/gpu: one"] <= gpu_run.TESTS * 560)
    calls = [c for c in (programs / "benched").read_text().splitlines() if "8b" in c]
    expect(f"the largest batch is measured once, the others three times: {calls}", len(calls) == 2 and "--batch 1,64 --prefill 2048" in calls[0]
           and "--repetitions 3 " in calls[0] and "--batch 256 " in calls[1] and "--repetitions 1 " in calls[1] and "--prefill" not in calls[1])
    expect("an unknown word is refused", run(folder, "--programs", programs, "--only", "tests,all", record=record).returncode == 2)


def deadlocks(folder):
    """What never ends is a failure."""
    card(folder)
    program(folder / "compute-sanitizer", 'case "$2" in memcheck) sleep 100 ;; *) echo "========= ERROR SUMMARY: 0 errors" ;; esac\n')
    programs = programs_in(folder, verbatim="\n", cuda_tests='''case "$1" in
  --list-test-names-only) printf '%s\\n' "gpu: good" "gpu: waits" ;;
  "gpu: waits") sleep 100 ;;
esac
''')
    done = run(folder, "--programs", programs, "--only", "tests", "--budget", 9, record=folder / "t.json")
    r = json.loads((folder / "t.json").read_text())
    expect(f"a test that does not end fails the run: {done.returncode} {r['tests']}",
           done.returncode == 1 and [t["status"] for t in r["tests"]] == ["done", "out of time"])
    expect("and misses the bar", [b["status"] for b in r["bars"] if "conformance" in b["subject"]] == ["missed"])
    expect("tests alone have the whole budget", r["tests"][1]["seconds"] > 4)
    done = run(folder, "--programs", programs, "--only", "sanitizers", "--budget", 9, record=folder / "s.json")
    r = json.loads((folder / "s.json").read_text())
    expect(f"so does a sanitizer: {done.returncode}", done.returncode == 1 and r["sanitizers"]["memcheck"]["status"] == "out of time")


def real_shapes(folder):
    """The test that the others leave out: its own part, told to do it, a failure like another's, and one record with theirs."""
    card(folder)
    programs = programs_in(folder, cuda_tests='''case "$1" in
  --list-test-names-only) echo "gpu: one"; [ "$2" = "~[real_shapes_7b]~[.]" ] || echo "gpu: 7B" ;;
  "[real_shapes_7b]") echo "$VERBATIM_REAL_SHAPES" >>"${0%/*}/asked"; if [ -e "${0%/*}/fails" ]; then echo "CHECK failed" >&2; exit 1; fi ;;
esac
''')
    record, states = folder / "record.json", lambda: {t["name"]: t["status"] for t in json.loads(record.read_text())["tests"]}
    done = run(folder, "--programs", programs, "--only", "tests", record=record)
    expect(f"it is no part of the tests: {states()}", done.returncode == 0 and states() == {"tests/gpu: one": "done"} and not (programs / "asked").exists())
    done = run(folder, "--programs", programs, "--only", "real_shapes", record=record)
    expect(f"where it is asked for, it runs: {states()} {done.stderr[-300:]}", done.returncode == 0 and (programs / "asked").read_text() == "all\n"
           and states() == {"tests/gpu: one": "done", "tests/real_shapes_7b": "done"})
    expect("and nothing says that it was not", not any(p["name"] == "real_shapes" for p in json.loads(record.read_text())["parts"]))
    alone = json.loads(record.read_text())
    parts = gpu_merge.of_parts([p for p in alone["parts"] if not p["name"].startswith("tests/gpu")],
                               [{"name": "tests", "status": "not measured", "why": "not asked for"}])
    expect(f"it alone is not the tests: {parts}", any(p["name"] == "tests" for p in parts))
    (programs / "fails").touch()
    done = run(folder, "--programs", programs, "--only", "tests,real_shapes", record=record)
    expect(f"it may fail: {done.returncode} {states()}", done.returncode == 1 and states() == {"tests/gpu: one": "done", "tests/real_shapes_7b": "failed"})
    (programs / "cuda_tests").unlink()
    run(folder, "--programs", programs, "--only", "real_shapes", record=folder / "without.json")
    expect("without a program it says so", any("no program cuda_tests" in m["why"] for m in json.loads((folder / "without.json").read_text())["not_measured"]))


def bar_of_tests(_):
    def of(*statuses):
        return gpu_bars.of_tests([{"status": s} for s in statuses])
    expect("all that passed", of("done", "done") == ("reached", {"passed": 2}))
    expect("one that was skipped is no failure", of("done", "skipped", "skipped") == ("partly measured", {"passed": 1, "skipped": 2}))
    expect("nor is one that was not reached", of("done", "not measured")[0] == "partly measured")
    expect("one that failed is, and one that did not end", of("done", "skipped", "failed")[0] == "missed" and of("done", "out of time")[0] == "missed")
    expect("without tests", of()[0] == "not measured" and of("skipped")[0] == "not measured")


def card_without_a_driver(folder):
    """nvidia-smi shows a card, and no program can use it: that is no machine without a GPU."""
    card(folder)
    programs = programs_in(folder, rates='echo "no CUDA device can be used here: cudaErrorInsufficientDriver: too old" >&2; exit 77\n',
                           verbatim='touch "${0%/*}/ran"\n', cuda_tests='touch "${0%/*}/ran"\n')
    record = folder / "r.json"
    done = run(folder, "--programs", programs, "--budget", 20, record=record)
    expect(f"exit code 1, and why: {done.returncode} {done.stderr}", done.returncode == 1 and "nvidia-smi shows NVIDIA Stand-in" in done.stderr
           and "cudaErrorInsufficientDriver" in done.stderr)
    expect("nothing else is tried", not (programs / "ran").exists())
    missing = json.loads(record.read_text())["not_measured"]
    expect("the record says why", missing and all("cudaErrorInsufficientDriver" in m["why"] for m in missing if "shape" in m))


def outputs_outlive_failures(folder):
    """A row that was not foreseen ends neither the run nor what was measured; where all went well, nothing is left lying about."""
    card(folder)
    (folder / "tmp").mkdir()
    programs = programs_in(folder, verbatim='''echo '{"batch": 1}'\n''', bench_contract=CONTRACT)
    arguments = ("--programs", programs, "--only", "verbatim", "--budget", 30, "--shapes", "qwen2.5-7b")
    done = run(folder, *arguments, record=folder / "r.json", TMPDIR=str(folder / "tmp"))
    expect(f"it fails, but goes on to the end: {done.returncode} {done.stderr[-300:]}", done.returncode == 1 and (programs / "contract_ran").exists())
    kept = list((folder / "tmp").glob("*"))
    expect(f"outputs are kept, and where is said: {kept}", len(kept) == 1 and (kept[0] / "bench.qwen2.5-7b.out").read_text() == '{"batch": 1}\n' and
           str(kept[0]) in done.stderr and (kept[0] / "run.json").exists())
    expect("what was written before is there", json.loads((folder / "r.json").read_text())["limits"]["read_gb_per_second"] == 4000)
    (folder / "tmp2").mkdir()
    program(programs / "verbatim", f"echo '{bench_row(1, 1024, 32, 100.0, 100.0)}'\n")
    done = run(folder, *arguments, record=folder / "r2.json", TMPDIR=str(folder / "tmp2"))
    expect(f"of a run that ended well they go: {done.stderr}", done.returncode == 0 and not list((folder / "tmp2").glob("*")))


def one_session(folder):
    """Calls that each measure a part of it: one record."""
    card(folder)
    program(folder / "compute-sanitizer", 'echo "========= ERROR SUMMARY: 0 errors"\n')
    programs = programs_in(folder, cuda_tests='case "$1" in --list-test-names-only) echo "gpu: one" ;; esac\n', bench_contract=CONTRACT,
                           verbatim=f"echo '{bench_row(1, 1024, 32, 40000.0, 2000.0)}'\n")
    record, raw = folder / "r.json", folder / "raw"
    common = ("--programs", programs, "--raw", raw, "--python", python_with_torch(folder), "--shapes", "qwen2.5-0.5b", "--batch", "1", "--budget", 60)
    for words in ("tests,verbatim", "sanitizers", "torch", "compile"):
        done = run(folder, *common, "--only", words, record=record)
        expect(f"--only {words} ends well: {done.stderr}", done.returncode == 0)
        r = json.loads(record.read_text())
        if words == "torch":
            expect("a ratio of figures of two calls", [(x["ratio"], x["pytorch"]["fastest"]) for x in r["results"]] == [(1.25, "graph")])
        elif words == "tests,verbatim":
            expect("what was not asked for says so", any("not asked for" in m["why"] and m.get("who") == "PyTorch" for m in r["not_measured"]))
    expect(f"the fastest mode of all calls is the peer: {r['results']}", len(r["results"]) == 1 and r["results"][0]["verbatim"]["tokens_per_second"] == 2000 and
           r["results"][0]["pytorch"]["modes"] == {"eager": 100, "graph": 1600, "compile": 2500} and r["results"][0]["ratio"] == 0.8)
    expect("tests and sanitizers of other calls are there", [t["status"] for t in r["tests"]] == ["done"] and
           [x["status"] for x in r["sanitizers"].values()] == ["done"] * 4 and r["sanitizers"]["racecheck"]["summary"] == "ERROR SUMMARY: 0 errors")
    expect("and what exactness costs", [x["ratio"] for x in r["contract_cost"]] == [0.93])
    bars = {b["subject"]: b["status"] for b in r["bars"]}
    expect("bars are judged by all of it", bars["conformance suites over the CUDA device"] == "reached" and bars["batch_invariant over fastest, decode"] == "reached")
    expect("each call is listed", [c["only"] for c in r["calls"]] == [["tests", "verbatim"], ["sanitizers"], ["torch"], ["compile"]] and
           near(r["seconds"], sum(c["seconds"] for c in r["calls"])))
    missing = {m.get("part") or (m["what"], m["who"]) for m in r["not_measured"]}
    expect(f"only what no call measured is missing: {missing}", missing == {"kernels", "real_shapes", ("prefill", "verbatim"), ("prefill", "PyTorch")})
    expect("each call's outputs are in a folder of their own", (raw / "call-4/compile.qwen2.5-0.5b.out").exists() and not (raw / "compile.qwen2.5-0.5b.out").exists())

    other = run(folder, *common, "--only", "sanitizers", "--commit", "def5678", record=record)
    expect("another commit has a record of its own", other.returncode == 0 and json.loads(record.read_text()) == r and
           json.loads((folder / "r-2.json").read_text())["commit"] == "def5678" and "stays as it is" in other.stderr)

    apart = [folder / f"apart{i}.json" for i in range(2)]
    for path, words in zip(apart, ("verbatim", "torch")):
        run(folder, *common, "--only", words, record=path)
    merged = subprocess.run([sys.executable, ROOT / "benchmarks/gpu_merge.py", folder / "merged.json", *apart], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True)
    expect(f"records that lay apart are merged: {merged.stderr}",
           merged.returncode == 0 and json.loads((folder / "merged.json").read_text())["results"][0]["ratio"] == 1.25)

    first, second = (json.loads(path.read_text()) for path in apart)
    for change in ({"commit": "x"}, {"date": "2000-01-01"}, {"gpu": {"before": {"name": "another"}, "after": {}}}, {"workload": {**second["workload"], "prompt": 7}}):
        expect(f"not of one run: {change}", gpu_merge.differs(first, {**second, **change}) and not gpu_merge.differs(first, second))
    for commit in ("", "unknown", "abc1234+"):
        expect(f"of commit '{commit}' nobody knows", gpu_merge.differs({**first, "commit": commit}, {**second, "commit": commit}))
    nameless = {"gpu": {"before": {}, "after": {}}}
    expect("nor of a card without a name", gpu_merge.differs({**first, **nameless}, {**second, **nameless}))
    faster = json.loads(json.dumps(first))
    faster["results"][0]["verbatim"]["tokens_per_second"] = 4000.0
    expect("the later figure counts", gpu_merge.merge(first, faster)["results"][0]["verbatim"]["tokens_per_second"] == 4000)
    late = {**second, "parts": [{"name": "tests/gpu: one", "status": "not measured", "why": "not reached: no time"}]}
    ran = {**first, "parts": [{"name": "tests/gpu: one", "status": "failed", "why": "CHECK"}]}
    expect("what was not reached hides no failure", [t["status"] for t in gpu_merge.merge(ran, late)["tests"]] == ["failed"])
    expect("a later run of a test does",
           [t["status"] for t in gpu_merge.merge(ran, {**late, "parts": [{"name": "tests/gpu: one", "status": "done"}]})["tests"]] == ["done"])


def near(x, y):
    return abs(x - y) < 0.2


with tempfile.TemporaryDirectory() as name:
    for check in (order, deadlocks, real_shapes, bar_of_tests, card_without_a_driver, outputs_outlive_failures, one_session):
        folder = pathlib.Path(name) / check.__name__
        folder.mkdir()
        check(folder)
print(f"{len(problems)} problems")
sys.exit(1 if problems else 0)
