#!/usr/bin/env python3
"""Compiles programs that must not compile, each FOLDER/*.cpp. One passes when compilation fails and the first `error:` line holds the
sentence of the program's `// expect:` comment, with every compiler that is here. With -DCONTROL the same file must compile, which shows
that the misuse, and nothing else, is what fails: all of them do so in one unit, in a namespace each. What they include is compiled once."""
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"}


def run(command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", env=ENVIRONMENT)


class Compiler:
    """A compiler with `includes` read before each program, as #pragma once allows."""

    def __init__(self, name, include, includes, folder):
        self.folder = pathlib.Path(folder) / name
        self.folder.mkdir()
        header = self.folder / "common.hpp"
        header.write_text("#pragma once\n" + "\n".join(includes) + "\n")
        options = ["-std=c++20", f"-I{include}"]
        compiled = f"{header}.{'gch' if name == 'g++' else 'pch'}"
        done = run([name, *options, "-x", "c++-header", str(header), "-o", compiled])
        if done.returncode != 0:
            sys.exit(f"{name}: what the programs include does not compile:\n{done.stdout[:2000]}")
        use = ["-Winvalid-pch", "-Werror=invalid-pch", "-include", str(header)] if name == "g++" else ["-include-pch", compiled]
        self.command = [name, *options, *use, "-fsyntax-only"]
        self.first_error = "-fmax-errors=1" if name == "g++" else "-ferror-limit=1"

    def problem(self, source, sentence):
        done = run([*self.command, self.first_error, source])
        first = next((line for line in done.stdout.splitlines() if re.search(r"\berror: ", line)), "")
        if done.returncode == 0:
            return "it compiles"
        if sentence not in first:
            return f"first error: {first or done.stdout[:400]}\n  expected:    {sentence}"
        return ""

    def control_problem(self, sources):
        controls = self.folder / "controls.cpp"
        controls.write_text("".join(f'namespace {pathlib.Path(source).stem} {{\n#include "{source}"\n}}\n' for source in sources))
        done = run([*self.command, "-DCONTROL", str(controls)])
        return "with -DCONTROL a program does not compile either:\n" + "\n".join(done.stdout.splitlines()[:12]) if done.returncode else ""


def main():
    folder, include = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    programs = {path: path.read_text() for path in sorted(folder.glob("*.cpp"))}
    if not programs:
        sys.exit(f"no programs in {folder}")
    expected = {}
    for path, text in programs.items():
        found = re.search(r"^// expect: (.+)$", text, re.MULTILINE)
        if not found or "CONTROL" not in text:
            sys.exit(f"{path}: needs a line '// expect: SENTENCE' and a part under #ifdef CONTROL")
        expected[path] = found[1].strip()
    includes = sorted({line for text in programs.values() for line in re.findall(r"^#include .+$", text, re.MULTILINE)})
    failed = 0
    with tempfile.TemporaryDirectory() as place, concurrent.futures.ThreadPoolExecutor(2) as pool:
        names = [name for name in ("g++", "clang++") if shutil.which(name)]
        for missing in {"g++", "clang++"} - set(names):
            print(f"SKIPPED: no {missing} here")
            if log := os.environ.get("VERBATIM_SKIPS"):
                with open(log, "a") as file:
                    file.write(f"compile_fail: no {missing}\n")
        compilers = list(pool.map(lambda name: Compiler(name, include, includes, place), names))
        controls = [pool.submit(compiler.control_problem, list(map(str, programs))) for compiler in compilers]
        work = [(name, compiler, path) for path in programs for name, compiler in zip(names, compilers)]
        for (name, _, path), problem in zip(work, pool.map(lambda w: w[1].problem(str(w[2]), expected[w[2]]), work)):
            print(f"{path.stem}, {name}: {problem or 'as expected'}")
            failed += bool(problem)
        for name, control in zip(names, controls):
            print(f"{len(programs)} controls, {name}: {control.result() or 'they compile'}")
            failed += bool(control.result())
    print(f"{len(work)} compilations that must fail, {failed} did not as expected")
    return 1 if failed or not names else 0


if __name__ == "__main__":
    sys.exit(main())
