#!/usr/bin/env python3
"""Every public header compiles alone with nothing but -I, warnings being errors. Those that no other header includes also
compile, with all that they include, among macros that common platforms define. The first is done with g++, the second with
clang++ (with one of them both times where the other is missing, which is counted). Alone means without bodies, which are headers of
their own (core/separate.hpp): what a header needs it must not find in what bodies include. Those that have bodies compile with
them, too. Results are remembered by content in --cache, so a second run is quick."""
import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include"
# What <complex.h>, <windows.h>, <sys/sysmacros.h>, X11, Qt and old compilers define. System headers are read first: the
# promise is about ours. Left out: `check` (an old macOS macro; the library has a function of that name), `min` and `max`
# (<windows.h> without NOMINMAX; the library is for Linux and writes std::min).
POISON = ["I", "small", "near", "far", "ERROR", "DELETE", "IN", "OUT", "BOOL", "TRUE", "FALSE", "interface", "major", "minor",
          "linux", "unix", "emit", "signals", "slots", "foreach", "Bool", "Status", "None", "Always", "CONST", "VOID", "STRICT",
          "OPTIONAL", "pascal", "cdecl", "_B", "_N", "_S", "_L", "_X"]
# Headers of one instruction set, which others include only where it is there (backend/cpu/isa.hpp).
FLAGS = {"verbatim/backend/cpu/simd_avx2.hpp": ["-mavx2", "-mfma"],
         "verbatim/backend/cpu/simd_avx512.hpp": ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq"]}


def includes_of(path):
    return re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def closure(path, seen):
    """Our headers that `path` includes, and the system headers that they name."""
    system = set()
    for _, name in includes_of(path):
        if name.startswith("verbatim/"):
            target = INCLUDE / name
            if target not in seen and target.exists():
                seen.add(target)
                system |= closure(target, seen)
        else:
            system.add(name)
    return system


def poisoned_source(name, system):
    lines = ["#define PCRE2_CODE_UNIT_WIDTH 8"] if "pcre2.h" in system else []   # a program has to choose before it includes that
    lines += [f"#if __has_include(<{h}>)\n#include <{h}>\n#endif" for h in sorted(system)]
    lines += [f"#undef {p}\n#define {p} @poisoned@" for p in POISON]
    return "\n".join(lines) + f'\n#include "{name}"\n'


def compile_one(name, compiler, source, system):
    command = [compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *FLAGS.get(name, []), f"-I{INCLUDE}",
               *(f"-isystem{folder}" for folder in system), "-x", "c++", "-"]
    start = time.monotonic()
    done = subprocess.run(command, input=source, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    return done.returncode, done.stdout, time.monotonic() - start


def jobs_of(header, compilers, poisoned):
    seen = {header}
    system = closure(header, seen)
    content = hashlib.sha256(pathlib.Path(__file__).read_bytes())
    for path in sorted(seen):
        content.update(path.read_bytes())
    name = header.relative_to(INCLUDE).as_posix()
    (first, first_version), (last, last_version) = compilers[0], compilers[-1]
    bodies = "" if name.endswith(".ipp.hpp") else "#define VERBATIM_SEPARATE_COMPILATION 1\n"
    yield name, first, "alone", f'{bodies}#include "{name}"\n#include "{name}"\n', content.hexdigest() + first_version
    if header.with_suffix(".ipp.hpp").exists():
        yield name, first, "with bodies", f'#include "{name}"\n#include "{name}"\n', content.hexdigest() + first_version + "bodies"
    if poisoned:
        yield name, last, "poisoned", poisoned_source(name, system), content.hexdigest() + last_version + "poisoned"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cache", required=True)
    parser.add_argument("--compilers", default="g++,clang++")
    parser.add_argument("--system", action="append", default=[], help="a folder of system headers (Eigen's, for the reference backend)")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("only", nargs="*", help="headers, as they are included; all if none is given")
    args = parser.parse_args()
    compilers = []
    for name in args.compilers.split(","):
        if shutil.which(name):
            compilers.append((name, subprocess.run([name, "--version"], capture_output=True, text=True).stdout))
        else:
            print(f"SKIPPED: no {name} here to compile headers with")
    if not compilers:
        return 77
    cache_path = pathlib.Path(args.cache)
    cache_path.parent.mkdir(parents=True, exist_ok=True)
    cache = json.loads(cache_path.read_text()) if cache_path.exists() else {}
    headers = sorted(INCLUDE.rglob("*.hpp"))
    included = {INCLUDE / name for header in headers for _, name in includes_of(header)}
    work = [job for header in headers if not args.only or header.relative_to(INCLUDE).as_posix() in args.only
            for job in jobs_of(header, compilers, args.only or header not in included)]
    todo = [job for job in work if job[4] not in cache]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.processes) as pool:
        for (name, compiler, how, _, key), (code, output, seconds) in zip(todo, pool.map(lambda j: compile_one(j[0], j[1], j[3], args.system), todo)):
            if code == 0:
                cache[key] = round(seconds, 2)
                cache_path.write_text(json.dumps(cache, indent=0))   # what is done stays done when time runs out
            else:
                failed += 1
                print(f"\n{name} ({compiler}, {how}):\n" + "\n".join(output.splitlines()[:25]))
    live = {job[4] for job in work}
    if not args.only:
        cache = {key: value for key, value in cache.items() if key in live}
    cache_path.write_text(json.dumps(cache, indent=0))
    slowest = sorted(((cache[job[4]], job[0], job[1]) for job in work if job[4] in cache), reverse=True)[:5]
    print(f"{len(work)} compilations, {len(todo)} made now, {failed} failed; slowest: " +
          ", ".join(f"{name} {seconds:.1f} s ({compiler})" for seconds, name, compiler in slowest))
    return 1 if failed or not work else 0


if __name__ == "__main__":
    sys.exit(main())
