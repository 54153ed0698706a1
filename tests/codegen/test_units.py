#!/usr/bin/env python3
"""The CUDA sources that programs ship with (verbatim_cuda_kernels), as this build compiled them (timed.py): each took at most SECONDS of a
processor's time, which is printed, and each header kernels_*.cuh has kernels that tests/codegen/*.cu look into. A toolkit
without cublasLt.h is configured too: it is said, and the unit in library_linear's place compiles. Without nvcc, or where the build has no
CUDA, it skips, and says so."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))
from test_registers import SECONDS, find_nvcc  # noqa: E402

BUILD = pathlib.Path(os.environ.get("VERBATIM_BIN", ROOT / "build" / "release" / "bin")).parent
SOURCE = re.compile(r"/cuda_kernels\.(\w+)\.cu$")
OBJECT = re.compile(r" -o (\S+)")
TEMPLATE = re.compile(r"\bkernel::(?:sm90::)?(\w+)")


def units_of(folder):
    """{unit: (command, folder, object)} of the CUDA sources of a build folder, by what CMake wrote down."""
    found = {}
    for row in json.loads((folder / "compile_commands.json").read_text()):
        if unit := SOURCE.search(row["file"]):
            found[unit[1]] = row["command"], row["directory"], pathlib.Path(row["directory"]) / OBJECT.search(row["command"])[1]
    return found


def times_of(units):
    """Seconds of a processor, as timed.py noted them beside each object, and the units of which there is no note as new as the object."""
    times, missing = {}, []
    for unit, (_, _, target) in units.items():
        note = target.with_name(target.name + ".seconds")
        if target.exists() and note.exists() and note.stat().st_mtime_ns >= target.stat().st_mtime_ns:
            times[unit] = float(note.read_text())
        else:
            missing.append(unit)
    return times, missing


def without_cublaslt(folder, nvcc):
    """Configures, and compiles what stands in library_linear's place: what was wrong."""
    generator = ["-G", "Ninja"] if shutil.which("ninja") else ["-G", "Unix Makefiles"]
    done = subprocess.run(["cmake", "-S", ROOT, "-B", folder, *generator, "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_CUDA_COMPILER={nvcc}", "-DVERBATIM_CUDA=ON",
                           "-DVERBATIM_TESTS=OFF", "-DVERBATIM_EXAMPLES=OFF", "-DVERBATIM_BENCHMARKS=OFF", "-DVERBATIM_CUBLASLT_INCLUDE_DIR=OFF"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        return f"the project cannot be configured for CUDA:\n{done.stdout[-3000:]}"
    units = units_of(folder)
    if "cuBLASLt: no" not in done.stdout or "library_linear" in units or "no_library_linear" not in units:
        return f"without cublasLt.h: {sorted(units)}\n{done.stdout}"
    command, where, _ = units["no_library_linear"]
    done = subprocess.run(command, shell=True, cwd=where, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return f"no_library_linear does not compile:\n{done.stdout[-3000:]}" if done.returncode else ""


def too_slow(times):
    return [f"{unit}: {seconds:.0f} s to compile, at most {SECONDS}" for unit, seconds in times.items() if seconds > SECONDS]


def templates(text):
    return set(TEMPLATE.findall(text))


def without_twin():
    """Kernels of kernels_*.cuh that no unit of tests/codegen has."""
    looked_into = "\n".join(path.read_text() for path in HERE.glob("*.cu"))
    return [f"{path.name}: {name} is in no unit of tests/codegen" for path in sorted((ROOT / "include/verbatim/backend/cuda").glob("kernels_*.cuh"))
            for name in sorted(templates(path.read_text())) if not re.search(rf"VERBATIM_ENTRY\(\d+, {name}\b", looked_into)]


def check_itself():
    assert too_slow({"slow": SECONDS + 1, "quick": 1}) == [f"slow: {SECONDS + 1} s to compile, at most {SECONDS}"]
    assert templates("VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<Out, 8, 1>); verbatim::kernel::sample_cuts") == {"linear", "sample_cuts"}
    with tempfile.TemporaryDirectory() as folder:
        target = pathlib.Path(folder) / "object"
        busy = "import sys, time\nwhile time.process_time() < 0.3: pass\nopen(sys.argv[2], 'w').close()"
        command = [sys.executable, HERE / "timed.py", sys.executable, "-c", busy, "-o", target]
        subprocess.run(command, check=True)
        times, missing = times_of({"busy": ("", "", target), "none": ("", "", target.with_name("none"))})
        assert missing == ["none"] and 0.3 <= times["busy"] < 30, (times, missing)
        assert subprocess.run([*command[:4], "raise SystemExit(3)", "-o", target]).returncode == 3
        assert times_of({"busy": ("", "", target)}) == ({}, ["busy"])


def main():
    check_itself()
    problems, nvcc, build = without_twin(), find_nvcc(), BUILD
    units = units_of(build) if nvcc and (build / "compile_commands.json").exists() else {}
    if not units:
        reason = f"compile times of the CUDA sources: {'this build has none' if nvcc else 'no nvcc'}"
        print("\n".join([*problems, f"SKIPPED: {reason}"]))
        if log := os.environ.get("VERBATIM_SKIPS"):
            with open(log, "a") as file:
                file.write(reason + "\n")
        return 1 if problems else 77
    times, missing = times_of(units)
    for unit, seconds in times.items():
        print(f"{unit}: {seconds:.1f} s of a processor")
    problems += too_slow(times) + [f"{unit}: the build did not note its compile time" for unit in missing]
    print(f"{len(units)} units, {sum(times.values()):.0f} s, the longest {max(times.values(), default=0):.0f} s of at most {SECONDS}")
    expected = {path.stem for path in (ROOT / "include/verbatim/backend/cuda").glob("kernels_*.cuh")}
    if not expected or not expected <= set(units):
        problems.append(f"not compiled: {sorted(expected - set(units))}")
    header = re.search(r"^VERBATIM_CUBLASLT_INCLUDE_DIR:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.MULTILINE)
    if (header is not None and (pathlib.Path(header[1]) / "cublasLt.h").exists()) != ("library_linear" in units):
        problems.append(f"library_linear is built, or not, against what the configuration says: {header and header[1]}")
    with tempfile.TemporaryDirectory() as folder:
        if wrong := without_cublaslt(pathlib.Path(folder), nvcc):
            problems.append(wrong)
    print("\n".join(problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
