#!/usr/bin/env python3
"""Code in the documentation is cut from programs that are built and run by the tests.

A fenced block that follows `<!-- from: path -->` equals the file, and one that follows `<!-- from: path#mark -->` equals the
text between the two lines `// [mark]` (or `# [mark]`) of that file, of `#ifdef ON_GPU` what stands behind `#else`; `path#concept:name`
is the definition of a concept, `path#struct:name` and `path#enum:name` that of a type. Every ```cpp block must have such a source; so must every
```bash block, unless `<!-- shell -->` stands before it (commands that a test of their own runs). --update rewrites the blocks.
"""
import pathlib
import re
import sys
import textwrap

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"(?:^ *<!-- (?P<how>from: (?P<source>\S+)|shell) -->\n)?^(?P<indent> *)```(?P<language>[a-z+]*)\n(?P<body>.*?)^ *```$",
                   re.DOTALL | re.MULTILINE)
NEEDS_SOURCE = {"cpp", "bash", "cmake", "python"}


DEFINITION = {"concept": r"(template <[^>]*> )?concept {} =", "struct": r"struct {} {{", "enum": r"enum class {}\b"}


def definition(text, kind, name, wanted):
    """From `template <...>` to the semicolon that ends the definition."""
    lines = text.splitlines(keepends=True)
    starts = [i for i, line in enumerate(lines) if re.match(DEFINITION[kind].format(name), line)]
    if len(starts) != 1:
        raise ValueError(f"{wanted}: {len(starts)} definitions")
    first = last = starts[0]
    if kind == "concept" and not lines[first].startswith("template"):
        first -= 1
    depth = 0
    while True:
        code = re.sub(r"//.*", "", lines[last])
        depth += sum(code.count(c) for c in "({") - sum(code.count(c) for c in ")}")
        if depth == 0 and code.rstrip().endswith(";"):
            return "".join(lines[first:last + 1])
        last += 1


def for_cpus(text):
    """What is compiled for either device, as it is for CPUs."""
    return re.sub(r"^#ifdef ON_GPU\b.*?^#else\n(.*?)^#endif\n", r"\1", text, flags=re.DOTALL | re.MULTILINE)


def cut(source):
    name, _, mark = source.partition("#")
    path = ROOT / name
    if not path.exists():
        raise ValueError(f"{name} is not there")
    text = path.read_text()
    if not mark:
        return text
    kind, _, name = mark.partition(":")
    if kind in DEFINITION:
        return definition(text, kind, name, source)
    lines = text.splitlines(keepends=True)
    marks = [i for i, line in enumerate(lines) if re.fullmatch(rf"\s*(//|#) \[{re.escape(mark)}\]\s*", line)]
    if len(marks) != 2:
        raise ValueError(f"{name} has {len(marks)} lines [{mark}] instead of 2")
    inner = [line for line in lines[marks[0] + 1:marks[1]] if not re.fullmatch(r"\s*(//|#) \[\w+\]\s*", line)]
    return textwrap.dedent(for_cpus("".join(inner))).strip("\n") + "\n"


def check(path, update, problems):
    text = path.read_text()
    count = 0

    def one(match):
        nonlocal count
        line = text[:match.start()].count("\n") + 1
        where = f"{path.relative_to(ROOT)}:{line}"
        if not match["source"]:
            if match["language"] in NEEDS_SOURCE and match["how"] != "shell":
                problems.append(f"{where}: a {match['language']} block without '<!-- from: path#mark -->'")
            return match[0]
        count += 1
        try:
            wanted = cut(match["source"])
        except ValueError as error:
            problems.append(f"{where}: {error}")
            return match[0]
        wanted = textwrap.indent(wanted, match["indent"])
        if match["body"] != wanted and not update:
            problems.append(f"{where}: differs from {match['source']} (tests/doc/snippets.py --update rewrites it)")
        return match[0].replace("```" + match["language"] + "\n" + match["body"], "```" + match["language"] + "\n" + wanted)

    changed = BLOCK.sub(one, text)
    if update and changed != text:
        path.write_text(changed)
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target and not (path.parent / target).exists():
            problems.append(f"{path.relative_to(ROOT)}: link to {target}, which is not there")
    return count


def main():
    problems, count = [], 0
    pages = [ROOT / "README.md"] + sorted((ROOT / "docs").rglob("*.md"))
    for page in pages:
        count += check(page, "--update" in sys.argv, problems)
    print(f"{len(pages)} pages, {count} blocks cut from sources")
    print("\n".join(problems))
    return 1 if problems or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
