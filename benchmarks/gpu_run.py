#!/usr/bin/env python3
"""The parts of benchmarks/gpu.sh: runs one after the other what is measured on a GPU, within a budget of seconds.

Every part has a time of its own; what fails, runs out of time or is not reached is said so in the record, which is written anew after
each part. Outputs stay in the folder of --raw, NAME.out and NAME.err; benchmarks/gpu_record.py makes the record from that folder alone.
A record that is there already and is of the same commit, card and day is added to (gpu_merge.py); one that is not stays as it is.
nvidia-smi is asked, never told. Standard library only.

Seconds that a call takes where kernels reach half of their floors (estimates: none of it has run on a GPU), and the most that it gets:
  rates                                                             3   at most 40
  tests                                                            60   a quarter of the budget, 140
  8B shape: weights, batches 1 and 64; weights, batch 256     30 + 41   90 + 80
  7B shape: the same                                          30 + 40   90 + 80   all that is most wanted: 520 at the very most
  0.5B shape: the same                                          8 + 7   30 + 20
  what exactness costs, two 7B models                              60   100
  kernels alone                                                    30   60
  1.5B and 1B shapes                                           2 x 20   50 each
  PyTorch: operators, 8B, 7B, 0.5B, 1.5B, 1B   25 + 35 + 35 + 3 x 25   40 + 2 x 60 + 3 x 35
                                                             sum: 519 of 560
  PyTorch compiled, what is left; of its own call             5 x 60   120 each
  sanitizers, of their own call                                   240   480
  the 7B shape among the tests, of a call that asks for it         70   300
"""
import argparse
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import gpu_record
from gpu_runner import QUERIES, Runner, ask

HERE = pathlib.Path(__file__).resolve().parent
SHAPES = ["llama-3.1-8b", "qwen2.5-7b", "qwen2.5-0.5b", "qwen2.5-1.5b", "llama-3.2-1b"]   # what is wanted most comes first
BEFORE_THE_REST = 3   # of them that bars are about: kernels and the cost of exactness come after these
REAL_SHAPES_TAG = "[real_shapes_7b]"
LISTED = f"~{REAL_SHAPES_TAG}~[.]"   # a filter lists hidden tests too, if it does not say so
WORDS = ("tests", "real_shapes", "sanitizers", "verbatim", "torch", "compile")   # what --only takes, in the order in which it runs
DEFAULT_WORDS = "tests,verbatim,torch,compile"
PAGE = 64           # tokens of a page of the command-line program's cache
MANY = 128          # sequences of a batch from which on a single repetition has to do: its prompts alone are a quarter of a million tokens
RATES, TESTS = 40, 0.25   # the most seconds of the first part, and the tests' share of a budget that is not theirs alone
REAL_SHAPES = 300   # the most seconds of the test of a large shape
BENCH = {"large": (90, 80), "small": (30, 20)}   # the most seconds of a shape's batches below MANY, and of the others
# What compute-sanitizer looks for, the most seconds that it gets, and the work: two prompts and a few tokens; longer ones for what slows a
# program least.
SANITIZERS = {"memcheck": (150, {"batch": 3, "prompt": 70, "output": 4}), "initcheck": (100, {"batch": 2, "prompt": 70, "output": 2}),
              "synccheck": (80, {"batch": 2, "prompt": 70, "output": 2}), "racecheck": (150, {"batch": 2, "prompt": 20, "output": 2})}


def test_names(program, env):
    """Of a Catch2 program, as version 2 lists them or else as version 3 does, but for what real_shapes runs."""
    for listing in (["--list-test-names-only", LISTED], ["--list-tests", "--verbosity", "quiet", LISTED]):
        out = subprocess.run([program, *listing], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=30, env=env).stdout
        names = [line.strip() for line in out.splitlines() if line.strip() and not line.strip().endswith(" skipped")]
        if names:
            return names
    return []


def as_filter(name):
    """A test's name as Catch2 reads one: what separates and marks in its language is written with a backslash."""
    return "".join("\\" + c if c in ',[]"\\*' else c for c in name)


def output_tokens(a, batch):
    """So many that the whole batch decodes for a.output steps: the first sequences decode while the last prompts are computed, as many a step as
    have room in it beside them."""
    return a.output + (-(-batch * a.prompt // max(1, a.step_tokens - batch)) if batch > 1 else 0)


def cache_gib(path, a):
    """What the keys and values of the largest batch need, in whole pages; and the weights."""
    f = gpu_record.floors(json.loads(path.read_text()))
    pages = lambda batch: -(-(a.prompt + output_tokens(a, batch)) // PAGE) + 1
    return lambda batch: max(batch * pages(batch), -(-(a.prefill + 2) // PAGE) + 1) * PAGE * f["kv_bytes"] / 2**30, f["weight_bytes"] / 2**30


def has_torch(python, seconds):
    try:
        return subprocess.run([python, "-c", "import torch, transformers, sys; sys.exit(not torch.cuda.is_available())"], stderr=subprocess.DEVNULL,
                              timeout=seconds).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def run(a):
    r = Runner(a)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return measure(a, r)
    finally:
        r.end()
        r.sampler.stop()


def measure(a, r):
    a.about["before"] = ask(QUERIES)
    if (a.programs / "bench_gpu_rates").exists():
        r.part("limits", [a.programs / "bench_gpu_rates"], RATES)
        if r.parts[-1]["status"] == "skipped" and a.about["before"].get("name"):
            print(f"nvidia-smi shows {a.about['before']['name']}, but no CUDA program can use it: {r.parts[-1]['why']}\nnothing was measured", file=sys.stderr)
            r.write()
            return 1
    else:
        r.missing("limits", "no program bench_gpu_rates")
    try:
        a.memory = float(a.about["before"].get("memory.total", "")) / 1024
    except ValueError:
        a.memory = 0
    torch = None   # not asked yet whether it is there: that alone takes long
    for word, part, names in (("tests", tests, ["tests"]), ("real_shapes", real_shapes, ["real_shapes"]), ("sanitizers", sanitizers, SANITIZERS),
                              ("verbatim", verbatim_rows, ["kernels", "contract", *(f"bench/{shape}" for shape in a.configs)]),
                              ("torch", torch_rows, ["torch/ops", *(f"torch/{shape}" for shape in a.configs)]),
                              ("compile", compiled_rows, [f"compile/{shape}" for shape in a.configs])):
        if word not in a.only:
            for name in names:
                r.missing(name, "not asked for")
            continue
        if word in ("torch", "compile") and torch is None:
            torch = not a.no_torch and r.left() > 2 and has_torch(a.python, min(60, r.left()))
            if not torch:
                r.missing("torch", "asked not to" if a.no_torch else "not reached: the time was spent" if r.left() <= 2 else "PyTorch is not installed, or sees no GPU")
        if torch or word not in ("torch", "compile"):
            part(a, r)
    a.about["after"] = ask(QUERIES)
    record = r.write()
    if record is None:
        print(f"no record: {r.unwritten}. Mend benchmarks/gpu_record.py, then: benchmarks/gpu_record.py {a.raw} {a.record}", file=sys.stderr)
        return 1
    print(gpu_record.table(record))
    print(f"record: {a.record}")
    # A kernel that never ends is a failure like any other.
    return 1 if any(p["status"] in ("failed", "out of time") and p["name"].startswith(("tests/", *SANITIZERS)) for p in r.parts) else 0


def tests(a, r):
    programs = sorted(a.programs.glob("*_tests"))
    share = TESTS if {"verbatim", "torch", "compile"} & a.only else 0.5 if {"sanitizers", "real_shapes"} & a.only else 1
    end, least = time.monotonic() + min(share * a.budget, max(r.left(), 0)), min(20, share * a.budget / 7)   # less time than that tells nothing of a test
    for program in programs:
        try:
            names, why = test_names(program, r.env), "it names none"
        except (OSError, subprocess.TimeoutExpired) as e:
            names, why = [], str(e)
        if not names:
            r.missing(f"tests/{program.name}", f"its tests cannot be listed: {why}")
        for i, name in enumerate(names):
            left = end - time.monotonic()
            if left < least:
                r.missing(f"tests/{name}", f"not reached: {100 * share:.0f} % of the budget went to tests")
            else:
                r.part(f"tests/{name}", [program, as_filter(name)], max(least, left / min(2, len(names) - i)))
    if not programs:
        r.missing("tests", "no test programs")


def real_shapes(a, r):
    """What batches of the 7B shape sample is scored the same: no part of the tests, which would skip it."""
    program = a.programs / "cuda_tests"
    if program.exists():
        r.part("tests/real_shapes_7b", [program, REAL_SHAPES_TAG], REAL_SHAPES, {**r.env, "VERBATIM_REAL_SHAPES": "all"})
    else:
        r.missing("tests/real_shapes_7b", "no program cuda_tests")


def sanitizers(a, r):
    verbatim = a.programs / "verbatim"
    sanitizer = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    for tool, (seconds, work) in SANITIZERS.items():
        if sanitizer and verbatim.exists():
            r.part(tool, [sanitizer, "--tool", tool, "--error-exitcode", 9, verbatim, "bench", "--device", "cuda", "--random-weights", HERE / "shapes/small.json",
                          *sum([[f"--{key}", value] for key, value in work.items()], []), "--repetitions", 1, "--no-floor", "--json"], seconds)
        else:
            r.missing(tool, "no compute-sanitizer" if verbatim.exists() else "no program verbatim")


def verbatim_rows(a, r):
    shapes = list(a.configs)
    for shape in shapes[:BEFORE_THE_REST]:
        bench(a, r, shape)
    cost_of_exactness(a, r)
    kernels = a.programs / "bench_gpu_kernels"
    if kernels.exists():
        r.part("kernels", [kernels, *a.configs.values()], 60)
    else:
        r.missing("kernels", "no program bench_gpu_kernels")
    for shape in shapes[BEFORE_THE_REST:]:
        bench(a, r, shape)


def batches_that_fit(a, shape):
    cache, weights = cache_gib(a.configs[shape], a)
    return [n for n in map(int, a.batch.split(",")) if not a.memory or weights + cache(n) + 6 < a.memory], cache, weights


def bench(a, r, shape):
    """The rows of one shape: in two programs, for large batches have fewer repetitions."""
    batches, cache, weights = batches_that_fit(a, shape)
    if not batches:
        return r.missing(f"bench/{shape}", f"does not fit {a.memory:.0f} GiB")
    if not (a.programs / "verbatim").exists():
        return r.missing(f"bench/{shape}", "no program verbatim")
    few, many = [n for n in batches if n < MANY], [n for n in batches if n >= MANY]
    limits = BENCH["large" if weights > 8 else "small"]
    for name, some, repetitions, limit in ((f"bench/{shape}", few, a.repetitions, limits[0]), (f"bench/{shape}/many", many, 1, limits[1])):
        if some:
            prefill = ["--prefill", a.prefill] if some is few or not few else []
            r.part(name, [a.programs / "verbatim", "bench", "--device", "cuda", "--random-weights", a.configs[shape], "--batch", ",".join(map(str, some)), *prefill,
                          "--prompt", a.prompt, "--output", output_tokens(a, max(some)), "--repetitions", repetitions, "--step-tokens", a.step_tokens,
                          "--kv-memory", round(cache(max(some)) + 0.05, 2), "--no-floor", "--json"], limit)


def peer(a, shape):
    """PyTorch's program for the rows of one shape; none where no batch fits."""
    batches = batches_that_fit(a, shape)[0]
    return [a.python, HERE / "peers/torch_transformers.py", "--config", a.configs[shape], "--batch", ",".join(map(str, batches)), "--prefill", a.prefill,
            "--context", a.prompt + a.output // 2] if batches else None


def torch_rows(a, r):
    some = [a.configs[shape] for shape in list(a.configs)[:BEFORE_THE_REST:2]]
    r.part("torch/ops", [a.python, HERE / "peers/torch_transformers.py", "--ops", *sum([["--config", config] for config in some], [])], 40, r.peer_env)
    for shape in a.configs:
        if command := peer(a, shape):
            r.part(f"torch/{shape}", command, 60 if batches_that_fit(a, shape)[2] > 8 else 35, r.peer_env)


def compiled_rows(a, r):
    for shape in a.configs:   # compiling takes long: last, where time is left
        if command := peer(a, shape):
            r.part(f"compile/{shape}", [*command, "--modes", "compile"], 120, r.peer_env)


def cost_of_exactness(a, r):
    """batch_invariant over fastest, of the largest shape that the program takes and that fits twice."""
    program = a.programs / "bench_contract"
    for shape in ("qwen2.5-7b", "qwen2.5-1.5b", "qwen2.5-0.5b"):
        if shape in a.configs and (not a.memory or 2 * cache_gib(a.configs[shape], a)[1] + 16 < a.memory):
            break
    else:
        return r.missing("contract", "no shape of its kind was asked for, or none fits twice")
    if not program.exists():
        return r.missing("contract", "no program bench_contract")
    return r.part("contract", [program, "--device", "cuda", "--batch", ",".join(n for n in a.batch.split(",") if int(n) <= 64) or "1", a.configs[shape]], 100)


def words(text):
    found = set(text.split(","))
    if not found <= set(WORDS):
        raise argparse.ArgumentTypeError(f"{text}: of {','.join(WORDS)}")
    return found


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--programs", type=pathlib.Path, required=True, help="folder with verbatim, bench_gpu_*, *_tests")
    p.add_argument("--raw", type=pathlib.Path, required=True)
    p.add_argument("--record", type=pathlib.Path, required=True)
    p.add_argument("--about", type=json.loads, default={}, help="what the record says of commit and build")
    p.add_argument("--budget", type=float, default=560)
    p.add_argument("--python", default=sys.executable, help="the one that has PyTorch")
    p.add_argument("--no-torch", action="store_true")
    p.add_argument("--only", type=words, default=words(DEFAULT_WORDS), help=f"of {','.join(WORDS)} [{DEFAULT_WORDS}]")
    p.add_argument("--shapes", default=",".join(SHAPES))
    p.add_argument("--batch", default="1,64,256")
    p.add_argument("--prompt", type=int, default=1024)
    p.add_argument("--output", type=int, default=32)
    p.add_argument("--prefill", type=int, default=2048)
    p.add_argument("--repetitions", type=int, default=3)
    p.add_argument("--step-tokens", type=int, default=2048)
    a = p.parse_args()
    earlier = len(list(a.raw.glob("**/run.json")))   # of earlier calls, whose outputs are none of this one's
    if earlier:
        a.raw = a.raw / f"call-{earlier + 1}"
    a.raw.mkdir(parents=True, exist_ok=True)
    a.configs = {shape: HERE / f"shapes/{shape}.json" for shape in a.shapes.split(",")}
    a.about["workload"] = {key: getattr(a, key) for key in ("shapes", "batch", "prompt", "output", "prefill", "repetitions", "step_tokens")}
    a.about["only"] = [word for word in WORDS if word in a.only]
    return run(a)


if __name__ == "__main__":
    sys.exit(main())
