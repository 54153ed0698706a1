"""Runs the parts of benchmarks/gpu_run.py, each within a time of its own and all within a budget, and samples the card beside them."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import gpu_merge
import gpu_record

HERE = pathlib.Path(__file__).resolve().parent
QUERIES = ["name", "driver_version", "memory.total", "clocks.sm", "clocks.mem", "clocks.max.sm", "clocks.max.mem", "power.limit", "power.draw", "temperature.gpu",
           "persistence_mode", "pstate", "ecc.mode.current", "utilization.gpu"]
SAMPLED = ["clocks.sm", "clocks.mem", "power.draw", "temperature.gpu"]
WRITING = 3         # seconds at the end that no part gets


def card():
    """Which card nvidia-smi is asked about: the first that programs may use."""
    return (os.environ.get("CUDA_VISIBLE_DEVICES") or "0").split(",")[0]


def ask(fields):
    """What nvidia-smi says; {} where it says nothing, as it may of a card that a kernel has brought to a halt."""
    try:
        process = subprocess.Popen(["nvidia-smi", "-i", card(), "--query-gpu=" + ",".join(fields), "--format=csv,noheader,nounits"], stdout=subprocess.PIPE, text=True,
                                   start_new_session=True)
    except OSError:
        return {}
    try:
        text, _ = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()   # and not waited for: in the driver, it may not even end then
        return {}
    values = [v.strip() for v in (text.splitlines() or [""])[0].split(",")]
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
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()   # and not waited for, as in ask


class Runner:
    def __init__(self, a):
        self.a, self.deadline, self.parts, self.start = a, time.monotonic() + a.budget, [], time.monotonic()
        self.sampler, self.process, self.unwritten = Sampler(), None, ""
        self.base = None   # the record that this call adds to, or {}; not known yet
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
        if name in gpu_record.TOOLS and row["status"] == "failed" and not self.was_checked(file):
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
        """The record, or None where it cannot be made: outputs that were not foreseen must not end a run. They stay in the folder of --raw."""
        try:
            (self.a.raw / "run.json").write_text(json.dumps({"about": self.a.about, "seconds": round(time.monotonic() - self.start, 1), "budget": self.a.budget,
                                                             "parts": self.parts}, indent=1))
            record = gpu_record.assemble(self.a.raw)
            if self.base is None:
                self.base, self.a.record = gpu_merge.place_for(record, self.a.record)
            if self.base:
                record = gpu_merge.merge(self.base, record)
            temporary = self.a.record.with_suffix(".part")
            temporary.write_text(json.dumps(record, indent=1) + "\n")
            temporary.replace(self.a.record)
        except Exception as e:
            self.unwritten = f"{type(e).__name__}: {e}"
            print(f"the record cannot be made of what there is ({self.unwritten}); going on, outputs are in {self.a.raw}", file=sys.stderr, flush=True)
            return None
        self.unwritten = ""
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
