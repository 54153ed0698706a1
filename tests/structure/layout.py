#!/usr/bin/env python3
"""Checks what the compiler does not: the one-way order of folders, the shape of headers and sources, and words that do not belong.

A folder of include/verbatim depends only on those before it in ORDER; folders of one group do not include one another.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include" / "verbatim"
ORDER = [["core"], ["numerics"], ["simt"], ["kernel"], ["backend"], ["model", "cache", "sampling", "text"], ["schedule"],
         ["weights"], ["engine"], ["protocol"], ["transport"], ["front"]]
RANK = {folder: rank for rank, group in enumerate(ORDER) for folder in group}
MAX_LINES = 400
MAX_OPENING = 10
MAX_COLUMNS = 170  # of sources
SOURCE_CODE = {".hpp", ".cpp", ".cuh", ".cu", ".py", ".cmake", ".sh", ""}
SOURCES = {".hpp", ".cpp", ".cuh", ".cu", ".py", ".cmake", ".sh", ".md", ".txt", ".json", ""}
SKIPPED_FOLDERS = {"build", ".git", ".venv", "corpus", "fixtures", "models", "records", "__pycache__"}
# Split so that this file passes its own check.
FORBIDDEN = [re.compile(p) for p in (
    r"\bTO" r"DO\b", r"\bFIX" r"ME\b", r"\bXX" r"X\b", r"\bHA" r"CK\b", r"(?<![\w.])/wo" r"rk/", r"(?<![\w.])/ro" r"ot/",
    r"(?<![\w.])/ho" r"me/\w", r"not imple" r"mented yet")]


def headers():
    return sorted([*INCLUDE.rglob("*.hpp"), *INCLUDE.rglob("*.cuh")])


def text_files():
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if any(part in SKIPPED_FOLDERS for part in parts[:-1]) or not path.is_file() or path.suffix not in SOURCES:
            continue
        if path.suffix == "" and path.name not in ("check", "serve", "run"):
            continue
        yield path


def check_order(problems):
    for path in headers():
        parts = path.relative_to(INCLUDE).parts
        if len(parts) == 1:  # umbrellas may include anything
            continue
        folder = parts[0]
        if folder not in RANK:
            problems.append(f"{path}: folder '{folder}' is not in the order of folders")
            continue
        for line in path.read_text().splitlines():
            match = re.match(r'\s*#\s*include\s*["<](verbatim/[^">]+)[">]', line)
            quoted = re.match(r'\s*#\s*include\s*"([^"]+)"', line)
            if quoted and not match:
                problems.append(f"{path}: include \"{quoted[1]}\" is not written as \"verbatim/folder/file.hpp\"")
            if not match:
                continue
            target = match[1].split("/")
            if not (ROOT / "include" / match[1]).exists():
                problems.append(f"{path}: includes {match[1]}, which is not there")
            if len(target) == 2:
                problems.append(f"{path}: includes the umbrella {match[1]}")
            elif target[1] != folder and RANK.get(target[1], 99) >= RANK[folder]:
                problems.append(f"{path}: folder '{folder}' must not depend on '{target[1]}' ({match[1]})")
            elif path.suffix == ".hpp" and match[1].endswith(".cuh"):
                problems.append(f"{path}: includes {match[1]}, which needs nvcc; a .hpp compiles with any compiler")
            elif "detail" in target[2:-1] and target[1] != folder:
                problems.append(f"{path}: {match[1]} is private to its folder")


def check_headers(problems):
    for path in headers():
        lines = path.read_text().splitlines()
        if "#pragma once" not in lines[:MAX_OPENING + 2]:
            problems.append(f"{path}: no '#pragma once' after the opening comment")
        opening = next((i for i, line in enumerate(lines) if not line.startswith("//")), len(lines))
        if opening == 0:
            problems.append(f"{path}: does not open with a comment that says what it is")
        if opening > MAX_OPENING:
            problems.append(f"{path}: opens with {opening} lines of comment; at most {MAX_OPENING}")


def check_files(problems):
    for path in text_files():
        text = path.read_text(errors="replace")
        lines = text.count("\n")
        if path.suffix in (".hpp", ".cpp", ".cuh", ".cu", ".py") and lines > MAX_LINES:
            problems.append(f"{path}: {lines} lines; at most {MAX_LINES}")
        for number, line in enumerate(text.splitlines(), 1):
            if path.suffix in SOURCE_CODE and len(line) > MAX_COLUMNS:
                problems.append(f"{path}:{number}: {len(line)} columns; at most {MAX_COLUMNS}")
            for pattern in FORBIDDEN:
                if pattern.search(line):
                    problems.append(f"{path}:{number}: '{pattern.search(line)[0]}' does not belong in the project")


def main():
    problems = []
    check_order(problems)
    check_headers(problems)
    check_files(problems)
    print(f"{len(headers())} headers, {sum(1 for _ in text_files())} files")
    if not headers():
        problems.append("no headers found")
    for problem in problems:
        print(problem.replace(str(ROOT) + "/", ""))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
