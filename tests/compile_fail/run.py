#!/usr/bin/env python3
"""Compiles one program that must not compile. It passes when compilation fails and the first `error:` line holds the sentence
of the program's `// expect:` comment, with every compiler that is here. With
-DCONTROL the same file must compile (g++), which shows that the misuse, and nothing else, is what fails."""
import re
import shutil
import subprocess
import sys


def compile(compiler, source, include, control):
    command = [compiler, "-std=c++20", "-fsyntax-only", f"-I{include}", source] + (["-DCONTROL"] if control else [])
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          env={"LC_ALL": "C", "PATH": "/usr/local/bin:/usr/bin:/bin"})


def check(compiler, source, include, sentence, control_too):
    done = compile(compiler, source, include, control=False)
    first = next((line for line in done.stdout.splitlines() if re.search(r"\berror: ", line)), "")
    if done.returncode == 0:
        return "it compiles"
    if sentence not in first:
        return f"first error: {first or done.stdout[:400]}\n  expected:    {sentence}"
    control = compile(compiler, source, include, control=True) if control_too else None
    if control and control.returncode != 0:
        return "with -DCONTROL it does not compile either:\n" + "\n".join(control.stdout.splitlines()[:8])
    return ""


def main():
    source, include = sys.argv[1:3]
    text = open(source).read()
    expect = re.search(r"^// expect: (.+)$", text, re.MULTILINE)
    if not expect or "CONTROL" not in text:
        sys.exit(f"{source}: needs a line '// expect: SENTENCE' and a part under #ifdef CONTROL")
    failed = False
    for compiler in ("g++", "clang++"):
        if not shutil.which(compiler):
            print(f"SKIPPED: no {compiler} here")
            continue
        problem = check(compiler, source, include, expect[1].strip(), control_too=compiler == "g++")
        print(f"{compiler}: {problem or 'as expected'}")
        failed = failed or bool(problem)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
