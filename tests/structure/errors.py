#!/usr/bin/env python3
"""Every numbered error that the library or its programs throw, or that a request ends with, has exactly one entry in
docs/errors/, and every entry is used.

With --list: each number with the places and messages that use it, to judge by eye whether they mean one thing.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
USE = re.compile(r'\berror\s*[({]\s*"([a-z_]+)"\s*,\s*(\d+)\s*,\s*([^\n]*)')
WRITTEN = re.compile(r'"\[verbatim\.([a-z_]+)\.(\d+)\] ?([^\n]*)')   # of a request that fails alone: told in its last event
NEAR_USE = re.compile(r'\bthrow\s+(?:verbatim::)?error\s*[({]\s*(?!"[a-z_]+"\s*,\s*\d+\s*,)([^\n]*)')
HEADING = re.compile(r"^## verbatim\.([a-z_]+)\.(\d+)\b", re.MULTILINE)


def without_comments(text):
    return re.sub(r"^\s*//.*$", "", re.sub(r"\s//.*$", "", text, flags=re.MULTILINE), flags=re.MULTILINE)


def main():
    used, entries, problems = {}, {}, []
    for path in sorted([*(ROOT / "include").rglob("*.[hc][pu][ph]"), *(ROOT / "examples").rglob("*.[ch]pp")]):
        text = without_comments(path.read_text())
        for match in [*USE.finditer(text), *WRITTEN.finditer(text)]:
            used.setdefault((match[1], int(match[2])), []).append((path, match[3].strip()[:110]))
    for path in sorted((ROOT / "docs" / "errors").glob("*.md")):
        text = path.read_text()
        for match in HEADING.finditer(text):
            key = (match[1], int(match[2]))
            if key in entries:
                problems.append(f"verbatim.{key[0]}.{key[1]} has two entries: {entries[key].name} and {path.name}")
            entries[key] = path
            body = text[match.end():].split("\n## ", 1)[0].split("\n", 1)[-1].strip()
            if len(body) < 40:
                problems.append(f"verbatim.{key[0]}.{key[1]}: its entry in {path.name} says next to nothing")
            if path.stem.split("_")[0].split("-")[0] != key[0].split("_")[0]:
                problems.append(f"verbatim.{key[0]}.{key[1]} stands in {path.name}, not in {key[0]}.md")
    if "--list" in sys.argv:
        for key in sorted(used):
            for path, message in used[key]:
                print(f"{key[0]}.{key[1]}  {path.relative_to(ROOT)}  {message}")
    for key in sorted(used.keys() - entries.keys()):
        problems.append(f"verbatim.{key[0]}.{key[1]} ({used[key][0][0].relative_to(ROOT)}) has no entry in docs/errors/")
    for key in sorted(entries.keys() - used.keys()):
        problems.append(f"verbatim.{key[0]}.{key[1]} ({entries[key].name}) is used nowhere")
    print(f"{len(used)} errors used, {len(entries)} described")
    print("\n".join(problems))
    return 1 if problems or not used else 0


if __name__ == "__main__":
    sys.exit(main())
