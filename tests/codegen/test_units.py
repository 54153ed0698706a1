#!/usr/bin/env python3
"""The CUDA sources that programs ship with (verbatim_cuda_kernels), by the very commands that CMake compiles them with: each takes at most
SECONDS of a processor's time, which is printed, and each header kernels_*.cuh has kernels that tests/codegen/*.cu look into. A toolkit
without cublasLt.h is configured too: it is said, and the unit in library_linear's place compiles. Without nvcc it skips, and says so."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))
from test_registers import SECONDS, find_nvcc, processor_seconds  # noqa: E402

TEMPLATE = re.compile(r"\bkernel::(?:sm90::)?(\w+)")


def configure(folder, nvcc, *options):
    """What CMake says, and the command of each CUDA source: {unit: (command, folder)}."""
    env = {key: value for key, value in os.environ.items() if key not in ("CMAKE_CUDA_COMPILER_LAUNCHER", "CMAKE_GENERATOR")}   # a cache would be timed
    generator = ["-G", "Ninja"] if shutil.which("ninja") else ["-G", "Unix Makefiles"]
    done = subprocess.run(["cmake", "-S", ROOT, "-B", folder, *generator, "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_CUDA_COMPILER={nvcc}", "-DVERBATIM_CUDA=ON",
                           "-DVERBATIM_TESTS=OFF", "-DVERBATIM_EXAMPLES=OFF", "-DVERBATIM_BENCHMARKS=OFF", *options], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=env)
    if done.returncode:
        sys.exit(f"the project cannot be configured for CUDA:\n{done.stdout[-3000:]}")
    rows = json.loads((pathlib.Path(folder) / "compile_commands.json").read_text())
    return done.stdout, {pathlib.Path(r["file"]).name.split(".")[-2]: (r["command"], r["directory"]) for r in rows if r["file"].endswith(".cu")}


def compile_unit(command, folder):
    """Seconds of a processor, seconds on the clock, and what was wrong."""
    processor, clock = processor_seconds(), time.monotonic()
    done = subprocess.run(command, shell=True, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return processor_seconds() - processor, time.monotonic() - clock, done.stdout[-3000:] if done.returncode else ""


def too_slow(times):
    return [f"{unit}: {seconds:.0f} s to compile, at most {SECONDS}" for unit, seconds in times.items() if seconds > SECONDS]


def templates(text):
    return set(TEMPLATE.findall(text))


def without_twin():
    """Kernels of kernels_*.cuh that no unit of tests/codegen has."""
    looked_into = "\n".join(path.read_text() for path in HERE.glob("*.cu"))
    return [f"{path.name}: {name} is in no unit of tests/codegen" for path in sorted((ROOT / "include/verbatim/backend/cuda").glob("kernels_*.cuh"))
            for name in sorted(templates(path.read_text())) if not re.search(rf"VERBATIM_ENTRY\(\d+, {name}\b", looked_into)]


def main():
    assert too_slow({"slow": SECONDS + 1, "quick": 1}) == [f"slow: {SECONDS + 1} s to compile, at most {SECONDS}"]
    assert templates("VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<Out, 8, 1>); verbatim::kernel::sample_cuts") == {"linear", "sample_cuts"}
    problems, nvcc = without_twin(), find_nvcc()
    if not nvcc:
        reason = "compile times of the CUDA sources: no nvcc"
        print("\n".join([*problems, f"SKIPPED: {reason}"]))
        if log := os.environ.get("VERBATIM_SKIPS"):
            with open(log, "a") as file:
                file.write(reason + "\n")
        return 1 if problems else 77
    with tempfile.TemporaryDirectory() as folder:
        said, units = configure(folder, nvcc)
        times = {}
        for unit, (command, where) in units.items():
            times[unit], clock, wrong = compile_unit(command, where)
            problems += [f"{unit} does not compile:\n{wrong}"] if wrong else []
            print(f"{unit}: {times[unit]:.1f} s of a processor, {clock:.1f} s on the clock", flush=True)
        problems += too_slow(times)
        print(f"{len(units)} units, {sum(times.values()):.0f} s, the longest {max(times.values(), default=0):.0f} s of at most {SECONDS}")
        expected = {path.stem for path in (ROOT / "include/verbatim/backend/cuda").glob("kernels_*.cuh")}
        if not expected or not expected <= set(units):
            problems.append(f"not compiled: {sorted(expected - set(units))}")
        if ("cuBLASLt: yes" in said) != ("library_linear" in units):
            problems.append(f"cuBLASLt is not what the configuration says: {said}")
    with tempfile.TemporaryDirectory() as folder:
        said, units = configure(folder, nvcc, "-DVERBATIM_CUBLASLT_INCLUDE_DIR=OFF")
        if "cuBLASLt: no" not in said or "library_linear" in units or "no_library_linear" not in units:
            problems.append(f"without cublasLt.h: {sorted(units)}\n{said}")
        else:
            wrong = compile_unit(*units["no_library_linear"])[2]
            problems += [f"no_library_linear does not compile:\n{wrong}"] if wrong else []
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
