#!/usr/bin/env python3
"""Every public header compiles alone with nothing but -I, warnings being errors. Those that no other header includes also
compile, with all that they include, among macros that common platforms define. The first is done with g++, the second with
clang++ (with one of them both times where the other is missing, which is counted). Alone means without bodies, which are headers of
their own (core/separate.hpp): what a header needs it must not find in what bodies include. Those that have bodies compile with
them, too, as they do in a program that does not compile them once. Results are remembered by content in --cache, so a second run is quick.

A header that another one includes before its first line of text may be compiled in front of it, in the same unit: the other one would
read it there in any case, so it finds the same declarations as alone, in another order perhaps (what depends on that is found where the
headers that nobody includes are compiled as they are). Behind a header that defines macros without our prefix none is taken for this. So
headers go in chains, each included by the next, as few as there can be, and most text that many headers include is compiled a few times
rather than once for each of them."""
import argparse
import concurrent.futures
import functools
import hashlib
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
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


CONDITION = re.compile(r"#\s*(if|ifdef|ifndef|elif|else|endif)\b")
INCLUDED = re.compile(r'#\s*include\s*[<"]([^>"]+)[>"]')


@functools.cache
def includes_of(path):
    """What is included, and whether it is in any case and before the first line of text or of a macro."""
    depth, early, found = 0, True, []
    for line in map(str.strip, path.read_text().splitlines()):
        if condition := CONDITION.match(line):
            depth += condition[1].startswith("if")
            depth -= condition[1] == "endif"
        elif include := INCLUDED.match(line):
            found.append((include[1], early and depth == 0))
        elif line and not line.startswith("//") and line != "#pragma once":
            early = False
    return found


@functools.cache
def closure(path, with_bodies=True):
    """Our headers that `path` includes, itself among them, and the system headers that they name."""
    ours, system, todo = {path}, set(), [path]
    while todo:
        for name, early in includes_of(todo.pop()):
            target = INCLUDE / name
            if not name.startswith("verbatim/"):
                system.add(name)
            elif target not in ours and target.exists() and (with_bodies or early or not is_body(target)):
                ours.add(target)
                todo.append(target)
    return ours, system


@functools.cache
def defines(path):
    """Whether it has macros that text behind it may meet: ours have a prefix, and whoever uses one includes the header that defines it."""
    return re.search(r"^\s*#\s*define\s+(?!VERBATIM_)", path.read_text(), re.MULTILINE) is not None


@functools.cache
def reads_first(path, with_bodies):
    """Our headers that `path` has read, whole, before its first line of text, and before any header that defines macros."""
    found, seen, defined = set(), {path}, False

    def read(at, first):
        nonlocal defined
        for name, early in includes_of(at):
            target = INCLUDE / name
            if not name.startswith("verbatim/") or target in seen or not target.exists():
                continue
            seen.add(target)
            if first and early and not defined and path not in closure(target, with_bodies)[0]:
                found.add(target)
            read(target, first and early)
            defined |= defines(target)

    read(path, True)
    return found


def is_body(path):
    return path.name.endswith(".ipp.hpp")


def chains(headers, with_bodies):
    """The headers in lists, each header read first by the next of its list: the last ones, which are what compiling takes, are as little text as
    can be. (Which headers may have a successor of their own is a matching; headers with the most text are given theirs first.)"""
    text = {header: sum(len(path.read_text()) for path in closure(header, with_bodies)[0]) for header in headers}
    after = {header: [] for header in headers}
    least_first = sorted(headers, key=lambda header: (text[header], header))
    for header in least_first:
        for path in reads_first(header, with_bodies) & after.keys():
            after[path].append(header)
    before = {}

    def given(header, asked):
        for next_one in after[header]:
            if next_one not in asked:
                asked.add(next_one)
                if next_one not in before or given(before[next_one], asked):
                    before[next_one] = header
                    return True
        return False

    inner = {header for header in reversed(least_first) if given(header, set())}
    lists = []
    for last in sorted(set(headers) - inner, key=lambda header: (-text[header], header)):
        found = [last]
        while found[-1] in before:
            found.append(before[found[-1]])
        lists.append(found[::-1])
    return lists


def poisoned_source(name, system):
    lines = ["#define PCRE2_CODE_UNIT_WIDTH 8"] if "pcre2.h" in system else []   # a program has to choose before it includes that
    lines += [f"#if __has_include(<{h}>)\n#include <{h}>\n#endif" for h in sorted(system)]
    lines += [f"#undef {p}\n#define {p} @poisoned@" for p in POISON]
    return "\n".join(lines) + f'\n#include "{name}"\n'


def compile_one(names, compiler, source, system):
    flags = [flag for name in names for flag in FLAGS.get(name, [])]
    command = [compiler, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *flags, f"-I{INCLUDE}",
               *(f"-isystem{folder}" for folder in system), "-x", "c++", "-"]
    start = time.monotonic()
    done = subprocess.run(command, input=source, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    return done.returncode, done.stdout, time.monotonic() - start


def name_of(header):
    return header.relative_to(INCLUDE).as_posix()


def jobs_of(headers, all_headers, compilers):
    """(names, compiler, how, source, key of the cache) of each unit that is compiled."""
    (first, first_version), (last, last_version) = compilers[0], compilers[-1]
    special = {header for header in headers if name_of(header) in FLAGS}
    included = {INCLUDE / name for header in all_headers for name, _ in includes_of(header)}
    having = {header if body in closure(header)[0] else body for header in headers if (body := header.with_suffix(".ipp.hpp")).exists()}

    def job(list_of, compiler, version, how, source):
        content = hashlib.sha256(pathlib.Path(__file__).read_bytes() + source.encode() + version.encode())
        for path in sorted(closure(list_of[-1])[0]):
            content.update(path.read_bytes())
        return [name_of(header) for header in list_of], compiler, how, source, content.hexdigest()

    for some, how, start in (headers, "alone", "#define VERBATIM_SEPARATE_COMPILATION 1\n"), (having, "with bodies", ""):
        for list_of in chains(some - special, how != "alone") + [[header] for header in sorted(some & special)]:
            twice = "".join(2 * f'#include "{name_of(header)}"\n' for header in list_of)
            yield job(list_of, first, first_version, how, start + twice)
    for header in sorted(headers - included):
        yield job([header], last, last_version, "poisoned", poisoned_source(name_of(header), closure(header)[1]))


def check_itself(compilers):
    """A header that does not compile alone is found, whatever is compiled behind it, and none that is not read first goes in front."""
    global INCLUDE
    kept = INCLUDE
    with tempfile.TemporaryDirectory() as folder:
        INCLUDE = pathlib.Path(folder)
        texts = {"leak": "#define small 1\n", "callee": "int small();   // has more text than others, and much more than leak.hpp has\n",
                 "leaks": '#include "verbatim/leak.hpp"\n#include "verbatim/callee.hpp"\nint leaks();\n',
                 "sound": "#include <cstddef>\nstd::size_t sound();\n", "needy": "std::size_t needy();   // has more text, so it goes in front of its user\n",
                 "user": '#include "verbatim/sound.hpp"\n#include "verbatim/needy.hpp"\nstd::size_t user();\n',
                 "late": 'std::size_t late();\n#include "verbatim/sound.hpp"\n', "maybe": '#if 0\n#include "verbatim/sound.hpp"\n#endif\nstd::size_t maybe();\n'}
        (INCLUDE / "verbatim").mkdir()
        for name, text in texts.items():
            (INCLUDE / "verbatim" / f"{name}.hpp").write_text(f"// One.\n#pragma once\n{text}")
        jobs = [job for job in jobs_of(set(INCLUDE.rglob("*.hpp")), set(), compilers) if job[2] == "alone"]
        found = {tuple(pathlib.Path(name).stem for name in job[0]): compile_one(job[0], job[1], job[3], [])[0] == 0 for job in jobs}
        assert found == {("leak", "leaks"): False, ("callee",): True, ("needy", "user"): False, ("sound",): True, ("late",): False, ("maybe",): False}, found
    INCLUDE = kept
    for function in (includes_of, closure, defines, reads_first):
        function.cache_clear()


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
    check_itself(compilers)
    cache_path = pathlib.Path(args.cache)
    cache_path.parent.mkdir(parents=True, exist_ok=True)
    cache = json.loads(cache_path.read_text()) if cache_path.exists() else {}
    headers = set(INCLUDE.rglob("*.hpp"))
    if args.only:
        headers = {header for header in headers if name_of(header) in args.only}
    work = list(jobs_of(headers, set() if args.only else headers, compilers))
    todo = [job for job in work if job[4] not in cache]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.processes) as pool:
        for (names, compiler, how, _, key), (code, output, seconds) in zip(todo, pool.map(lambda j: compile_one(j[0], j[1], j[3], args.system), todo)):
            if code == 0:
                cache[key] = round(seconds, 2)
                cache_path.write_text(json.dumps(cache, indent=0))   # what is done stays done when time runs out
            else:
                failed += 1
                print(f"\n{' before '.join(names)} ({compiler}, {how}):\n" + "\n".join(output.splitlines()[:25]))
    live = {job[4] for job in work}
    if not args.only:
        cache = {key: value for key, value in cache.items() if key in live}
    cache_path.write_text(json.dumps(cache, indent=0))
    if not args.only and (left_out := {name_of(header) for header in headers} - {name for job in work if job[2] != "poisoned" for name in job[0]}):
        failed += 1
        print(f"not compiled: {sorted(left_out)}")
    slowest = sorted(((cache[job[4]], job[0][-1], job[1], job[2]) for job in work if job[4] in cache), reverse=True)[:5]
    print(f"{len(headers)} headers in {len(work)} compilations, {len(todo)} made now, {failed} failed; slowest: " +
          ", ".join(f"{name} {seconds:.1f} s ({compiler}, {how})" for seconds, name, compiler, how in slowest))
    return 1 if failed or not work else 0


if __name__ == "__main__":
    sys.exit(main())
