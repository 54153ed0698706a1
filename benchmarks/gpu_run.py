#!/usr/bin/env python3
"""The parts of benchmarks/gpu.sh: runs one after the other what is measured on a GPU, within a budget of seconds.

Every part has a time of its own; what fails, runs out of time or is not reached is said so in the record, which is written anew after
each part. Outputs stay in the folder of --raw, NAME.out and NAME.err; benchmarks/gpu_record.py makes the record from that folder alone.
nvidia-smi is asked, never told. Standard library only.
"""
import argparse
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import threading
import time

import gpu_record

HERE = pathlib.Path(__file__).resolve().parent
SHAPES = ["qwen2.5-0.5b", "llama-3.1-8b", "qwen2.5-1.5b", "llama-3.2-1b", "qwen2.5-7b"]   # what is wanted most comes first
QUERIES = ["name", "driver_version", "memory.total", "clocks.sm", "clocks.mem", "clocks.max.sm", "clocks.max.mem", "power.limit", "power.draw", "temperature.gpu",
           "persistence_mode", "pstate", "ecc.mode.current", "utilization.gpu"]
SAMPLED = ["clocks.sm", "clocks.mem", "power.draw", "temperature.gpu"]
PAGE = 64           # tokens of a page of the command-line program's cache
WRITING = 3         # seconds at the end that no part gets
# What compute-sanitizer looks for, the seconds that it gets, and the work: two prompts and a few tokens; longer ones for what slows a program least.
SANITIZERS = {"memcheck": (45, {"batch": 3, "prompt": 70, "output": 4}), "initcheck": (25, {"batch": 2, "prompt": 70, "output": 2}),
              "synccheck": (20, {"batch": 2, "prompt": 70, "output": 2}), "racecheck": (40, {"batch": 2, "prompt": 20, "output": 2})}


def card():
    """Which card nvidia-smi is asked about: the first that programs may use."""
    return (os.environ.get("CUDA_VISIBLE_DEVICES") or "0").split(",")[0]


def ask(fields):
    done = subprocess.run(["nvidia-smi", "-i", card(), "--query-gpu=" + ",".join(fields), "--format=csv,noheader,nounits"], stdout=subprocess.PIPE, text=True, timeout=20)
    values = [v.strip() for v in (done.stdout.splitlines() or [""])[0].split(",")]
    return dict(zip(fields, values)) if len(values) == len(fields) else {}


class Sampler:
    """Clocks, power and temperature twice a second, beside what runs."""

    def __init__(self):
        self.rows = []
        self.process = subprocess.Popen(["nvidia-smi", "-i", card(), "--query-gpu=" + ",".join(SAMPLED), "--format=csv,noheader,nounits", "-lms", "500"],
                                        stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True, start_new_session=True)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            try:
                self.rows.append(dict(zip(SAMPLED, [float(v) for v in line.split(",")])))
            except ValueError:   # "[N/A]"
                pass

    def since(self, first):
        rows = self.rows[first:]
        return {key: sorted(r[key] for r in rows)[len(rows) // 2] for key in SAMPLED if rows and key in rows[0]}

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Runner:
    def __init__(self, a):
        self.a, self.deadline, self.parts, self.start = a, time.monotonic() + a.budget, [], time.monotonic()
        self.sampler, self.process = Sampler(), None
        self.env = {**os.environ, "PYTHONUNBUFFERED": "1", "VERBATIM_SCHEDULES": os.environ.get("VERBATIM_SCHEDULES", "20"),
                    "VERBATIM_SOURCE_DIR": str(HERE.parent)}   # programs that were built elsewhere find their models here
        self.peer_env = dict(self.env)   # PyTorch brings its own libraries
        folders = library_folders(a.python)
        if folders:
            self.env["LD_LIBRARY_PATH"] = os.pathsep.join([*filter(None, [self.env.get("LD_LIBRARY_PATH")]), *folders])

    def left(self):
        return self.deadline - time.monotonic() - WRITING

    def missing(self, name, why):
        self.parts.append({"name": name, "status": "not measured", "why": why})

    def part(self, name, command, limit, env=None):
        """Runs a command for `limit` seconds at most, and never past the budget."""
        if self.left() < 2:
            return self.missing(name, "not reached: the time was spent")
        seconds = min(limit, self.left())
        print(f"{time.monotonic() - self.start:6.0f} s  {name} (at most {seconds:.0f} s)", flush=True)
        file, first, begin = name.replace("/", ".").replace(" ", "_"), len(self.sampler.rows), time.monotonic()
        row = {"name": name, "file": file}
        with open(self.a.raw / f"{file}.out", "w") as out, open(self.a.raw / f"{file}.err", "w") as err:
            try:
                self.process = process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=env or self.env,
                                                          start_new_session=True)
            except OSError as e:
                return self.missing(name, str(e))
            try:
                code = process.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                code = None
            self.end()
        row["seconds"] = round(time.monotonic() - begin, 1)
        row["load"] = self.sampler.since(first)
        if code is None:
            row.update(status="out of time", why=f"stopped after {seconds:.0f} s")
        elif code == 0:
            row["status"] = "done"
        elif code == 77:
            row.update(status="skipped", why=last_line(self.a.raw / f"{file}.out", "SKIPPED") or last_line(self.a.raw / f"{file}.err"))
        else:
            row.update(status="failed", code=code, why=last_line(self.a.raw / f"{file}.err") or last_line(self.a.raw / f"{file}.out"))
        if name in SANITIZERS and row["status"] == "failed" and not self.was_checked(file):
            row["status"] = "not measured"
        self.parts.append(row)
        self.write()

    def was_checked(self, file):
        """Whether the sanitizer worked here at all: it sums up at its end, and says of some machines that it cannot."""
        text = "".join((self.a.raw / f"{file}.{end}").read_text(errors="replace") for end in ("out", "err"))
        return gpu_record.summary_of(text) is not None and "not supported" not in text

    def end(self):
        """Ends the part in hand, and what it left running."""
        if self.process:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(self.process.pid, number)
                    self.process.wait(timeout=2)
                except (ProcessLookupError, PermissionError, subprocess.TimeoutExpired):
                    pass
        self.process = None

    def write(self):
        (self.a.raw / "run.json").write_text(json.dumps({"about": self.a.about, "seconds": round(time.monotonic() - self.start, 1), "budget": self.a.budget,
                                                         "parts": self.parts}, indent=1))
        record = gpu_record.assemble(self.a.raw)
        temporary = self.a.record.with_suffix(".part")
        temporary.write_text(json.dumps(record, indent=1) + "\n")
        temporary.replace(self.a.record)
        return record


def last_line(path, having=""):
    lines = [line.strip() for line in path.read_text(errors="replace").splitlines() if line.strip() and having in line]
    return lines[-1][:300] if lines else ""


def library_folders(python):
    """Where cuBLASLt and NCCL may lie that the loader does not know: the toolkit's folder, Python's packages."""
    site = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True).stdout.strip()
    roots = [pathlib.Path(root) for root in ["/usr/local/cuda/lib64", *([f"{site}/nvidia"] if site else [])]]
    found = [sorted(root.rglob(name))[:1] for name in ("libcublasLt.so.*", "libnccl.so.*") for root in roots if root.is_dir()]
    return list(dict.fromkeys(str(files[0].parent) for files in found if files))


def test_names(program, env):
    """Of a Catch2 program, as version 2 lists them or else as version 3 does."""
    for listing in (["--list-test-names-only"], ["--list-tests", "--verbosity", "quiet"]):
        out = subprocess.run([program, *listing], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=30, env=env).stdout
        names = [line.strip() for line in out.splitlines() if line.strip() and not line.strip().endswith(" skipped")]
        if names:
            return names
    return []


def as_filter(name):
    """A test's name as Catch2 reads one: what separates and marks in its language is written with a backslash."""
    return "".join("\\" + c if c in ',[]"\\*' else c for c in name)


def cache_gib(path, a):
    """What the keys and values of the largest batch need, in whole pages; and the weights."""
    f = gpu_record.floors(json.loads(path.read_text()))
    pages = -(-(a.prompt + a.output) // PAGE) + 1
    return lambda batch: max(batch * pages, -(-(a.prefill + 2) // PAGE) + 1) * PAGE * f["kv_bytes"] / 2**30, f["weight_bytes"] / 2**30


def has_torch(python):
    try:
        return subprocess.run([python, "-c", "import torch, transformers, sys; sys.exit(not torch.cuda.is_available())"], stderr=subprocess.DEVNULL,
                              timeout=60).returncode == 0
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
    rates, verbatim = a.programs / "bench_gpu_rates", a.programs / "verbatim"
    if rates.exists():
        r.part("limits", [rates], 40)
    else:
        r.missing("limits", "no program bench_gpu_rates")
    programs = sorted(a.programs.glob("*_tests"))
    end_of_tests = time.monotonic() + 0.25 * a.budget
    for program in programs:
        try:
            names, why = test_names(program, r.env), "it names none"
        except (OSError, subprocess.TimeoutExpired) as e:
            names, why = [], str(e)
        if not names:
            r.missing(f"tests/{program.name}", f"its tests cannot be listed: {why}")
        for i, name in enumerate(names):
            left = end_of_tests - time.monotonic()
            if left < 2:
                r.missing(f"tests/{name}", "not reached: a quarter of the budget went to tests")
            else:
                r.part(f"tests/{name}", [program, as_filter(name)], left / min(2, len(names) - i))
    if not programs:
        r.missing("tests", "no test programs")
    sanitizer = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    for tool, (seconds, work) in SANITIZERS.items():
        if sanitizer and verbatim.exists():
            r.part(tool, [sanitizer, "--tool", tool, "--error-exitcode", 9, verbatim, "bench", "--device", "cuda", "--random-weights", HERE / "shapes/small.json",
                          *sum([[f"--{key}", value] for key, value in work.items()], []), "--repetitions", 1, "--no-floor", "--json"], seconds)
        else:
            r.missing(tool, "no compute-sanitizer" if verbatim.exists() else "no program verbatim")
    kernels, contract = a.programs / "bench_gpu_kernels", a.programs / "bench_gpu_contract"
    if kernels.exists():
        r.part("kernels", [kernels, *(HERE / f"shapes/{shape}.json" for shape in a.shapes.split(","))], 60)
    else:
        r.missing("kernels", "no program bench_gpu_kernels")
    torch = not a.no_torch and has_torch(a.python)
    peer = [a.python, HERE / "peers/torch_transformers.py"]
    configs = {shape: HERE / f"shapes/{shape}.json" for shape in a.shapes.split(",")}
    try:
        memory = float(a.about["before"].get("memory.total", "")) / 1024
    except ValueError:
        memory = 0
    commands = {}
    if torch:
        r.part("torch/ops", [*peer, "--ops", *sum([["--config", configs[s]] for s in list(configs)[:2]], [])], 40, r.peer_env)
    for number, (shape, config) in enumerate(configs.items()):
        if number == min(2, len(configs) - 1):
            cost_of_exactness(a, r, configs, memory)
        cache, weights = cache_gib(config, a)
        batches = [n for n in map(int, a.batch.split(",")) if not memory or weights + cache(n) + 6 < memory]
        if not batches:
            r.missing(f"bench/{shape}", f"does not fit {memory:.0f} GiB")
            continue
        workload = ["--batch", ",".join(map(str, batches)), "--prefill", a.prefill]
        if verbatim.exists():
            r.part(f"bench/{shape}", [verbatim, "bench", "--device", "cuda", "--random-weights", config, *workload, "--prompt", a.prompt, "--output", a.output,
                                      "--repetitions", a.repetitions, "--step-tokens", a.step_tokens, "--kv-memory", round(cache(max(batches)) + 0.05, 2),
                                      "--no-floor", "--json"], 80 if weights > 8 else 40)
        else:
            r.missing(f"bench/{shape}", "no program verbatim")
        commands[shape] = [*peer, "--config", config, *workload, "--context", a.prompt + a.output // 2]
        if torch:
            r.part(f"torch/{shape}", commands[shape], 60 if weights > 8 else 35, r.peer_env)
    for shape, command in commands.items():   # compiling takes long: last, where time is left
        if torch:
            r.part(f"compile/{shape}", [*command, "--modes", "compile"], 120, r.peer_env)
    if not torch:
        r.missing("torch", "asked not to" if a.no_torch else "PyTorch is not installed, or sees no GPU")
    a.about["after"] = ask(QUERIES)
    print(gpu_record.table(r.write()))
    print(f"record: {a.record}")
    return 1 if any(p["status"] == "failed" and p["name"].startswith(("tests/", *SANITIZERS)) for p in r.parts) else 0


def cost_of_exactness(a, r, configs, memory):
    """batch_invariant over fastest, of the largest shape that the program takes and that fits twice."""
    program = a.programs / "bench_gpu_contract"
    for shape in ("qwen2.5-7b", "qwen2.5-1.5b", "qwen2.5-0.5b"):
        if shape in configs and (not memory or 2 * gpu_record.floors(json.loads(configs[shape].read_text()))["weight_bytes"] / 2**30 + 16 < memory):
            break
    else:
        return r.missing("contract", "no shape of its kind was asked for, or none fits twice")
    if not program.exists():
        return r.missing("contract", "no program bench_gpu_contract")
    return r.part("contract", [program, "--batch", ",".join(n for n in a.batch.split(",") if int(n) <= 64) or "1", configs[shape]], 100)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--programs", type=pathlib.Path, required=True, help="folder with verbatim, bench_gpu_*, *_tests")
    p.add_argument("--raw", type=pathlib.Path, required=True)
    p.add_argument("--record", type=pathlib.Path, required=True)
    p.add_argument("--about", type=json.loads, default={}, help="what the record says of commit and build")
    p.add_argument("--budget", type=float, default=560)
    p.add_argument("--python", default=sys.executable, help="the one that has PyTorch")
    p.add_argument("--no-torch", action="store_true")
    p.add_argument("--shapes", default=",".join(SHAPES))
    p.add_argument("--batch", default="1,64,256")
    p.add_argument("--prompt", type=int, default=1024)
    p.add_argument("--output", type=int, default=32)
    p.add_argument("--prefill", type=int, default=2048)
    p.add_argument("--repetitions", type=int, default=3)
    p.add_argument("--step-tokens", type=int, default=2048)
    a = p.parse_args()
    a.raw.mkdir(parents=True, exist_ok=True)
    a.about["workload"] = {key: getattr(a, key) for key in ("shapes", "batch", "prompt", "output", "prefill", "repetitions", "step_tokens")}
    return run(a)


if __name__ == "__main__":
    sys.exit(main())
