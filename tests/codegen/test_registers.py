#!/usr/bin/env python3
"""Compiles every tests/codegen/*.cu for sm_90a and reads what ptxas says: no spills, no stack frames, registers within each kernel's
budget (budgets.py), a compile within SECONDS of a processor, instructions that its first line asks for ("// contains: a, b"), no complaint about wgmma, and in each
kernel that is launched to overlap the wait for the launch before. The machine code must not depend on -fmad: every fused multiply-add is written out, so that no
compiler decides where sums are rounded. Prints a line per kernel and the seconds of each unit. Without nvcc it skips, and says so; it says
nothing about what runs on a GPU."""
import os
import pathlib
import re
import resource
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import budgets  # noqa: E402

INCLUDE = HERE.parents[1] / "include"
SECONDS = 90
FORBIDDEN_SYSTEM = ("iostream", "functional", "regex", "filesystem")   # nvcc sees plain data and kernels only
ENTRY = re.compile(r"Compiling entry function '([^']+)'")
SPILLS = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")
WGMMA = re.compile(r"\(C75\d\d\)[^\n]*")   # products that ptxas serialises, fences that it adds, setmaxnreg that it ignores
CONTAINS = re.compile(r"// contains: ([^\n]+)")


def find_nvcc():
    given = os.environ.get("CUDACXX") or shutil.which("nvcc")
    return given or (shutil.which("nvcc", path="/usr/local/cuda/bin"))


def readable(name):
    tool = shutil.which("c++filt")
    plain = subprocess.run([tool, name], stdout=subprocess.PIPE, text=True).stdout.strip() if tool else name
    return re.sub(r"verbatim::(kernel::|codegen::)?|^void |\(.*", "", plain)


def kernels_of(log):
    """(name, registers, stack, spilled bytes) of every kernel in ptxas's output."""
    found, name, frame = [], None, None
    for line in log.splitlines():
        if match := ENTRY.search(line):
            name, frame = match[1], None
        elif match := SPILLS.search(line):
            frame = int(match[1]), int(match[2]) + int(match[3])
        elif (match := REGISTERS.search(line)) and name and frame:
            found.append((readable(name), int(match[1]), *frame))
            name = None
    return found


def problems_of(unit, kernels, seconds):
    """And the rows of budgets.py that the unit's kernels met."""
    wrong, met = budgets.over_budget(kernels)
    problems = [f"{unit}: {what}" for what in wrong]
    if not kernels:
        problems.append(f"{unit}: ptxas names no kernel")
    if seconds > SECONDS:
        problems.append(f"{unit}: {seconds:.0f} s to compile, at most {SECONDS}")
    return problems, met


def missing(text, ptx):
    """Instructions that a unit's first line asks for and its PTX lacks."""
    asked = CONTAINS.match(text)
    return [name for name in asked[1].split(", ") if name not in ptx] if asked else []


def rash(ptx):
    """Kernels of the backend's entry that do not wait for the launch before, or never let the next one start."""
    kernels = {piece.split("(", 1)[0].strip(): piece for piece in re.split(r"\.entry ", ptx)[1:]}
    return [readable(name) for name, text in kernels.items()
            if "4cuda5entryI" in name and not ("griddepcontrol.wait" in text and "griddepcontrol.launch_dependents" in text)]


def processor_seconds():
    """Of all processes that were waited for: a machine that does other things too takes longer on the clock."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def code_of(cubin):
    """The machine code of every kernel in an ELF64 file: {section name: bytes}."""
    table, = struct.unpack_from("<Q", cubin, 0x28)
    size, count, names = struct.unpack_from("<HHH", cubin, 0x3A)
    sections = [struct.unpack_from("<IIQQQQ", cubin, table + i * size) for i in range(count)]
    text = {}
    for name, _, _, _, offset, length in sections:
        start = sections[names][4] + name
        name = cubin[start:cubin.index(b"\0", start)].decode()
        if name.startswith(".text."):
            text[name.removeprefix(".text.")] = cubin[offset:offset + length]
    return text


def contracted(nvcc, source, cubin, folder):
    """Names of kernels in `cubin`, compiled from `source` as nvcc does by itself, whose code is another one where the compiler may not fuse
    products with sums; None: not compiled."""
    out = pathlib.Path(folder) / "written_out.cubin"
    done = subprocess.run([nvcc, "-arch=sm_90a", "-std=c++20", "-cubin", "-fmad=false", f"-I{INCLUDE}", f"-I{HERE}", str(source), "-o", str(out)])
    if done.returncode:
        return None
    fused, written = code_of(cubin.read_bytes()), code_of(out.read_bytes())
    return [readable(name) for name in fused if fused[name] != written.get(name)] if fused else None


def check_contraction(nvcc):
    """What a compiler may fuse is seen, what is written out is not."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "probe.cu"
        source.write_text("__global__ void fused(float* p) { p[0] = p[1] * p[2] + p[3]; }\n"
                          "__global__ void written(float* p) { p[0] = __fadd_rn(__fmul_rn(p[1], p[2]), p[3]); }\n")
        cubin = pathlib.Path(folder) / "probe.cubin"
        subprocess.run([nvcc, "-arch=sm_90a", "-cubin", str(source), "-o", str(cubin)], check=True)
        assert contracted(nvcc, source, cubin, folder) == ["fused"], "the check for contraction finds nothing"


def check_itself():
    """What must fail does: a reader that finds nothing wrong in anything is worth nothing."""
    log = ("ptxas info    : Compiling entry function 'f' for 'sm_90a'\nptxas info    : Function properties for f\n"
           "    16 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads\nptxas info    : Used 40 registers, 8 bytes cmem[0]\n")
    assert budgets.registers_of(160, 2) == 168 and budgets.registers_of(128, 4) == 128   # 5 warps twice are 12, three a quarter
    assert kernels_of(log) == [("f", 40, 16, 12)]
    assert len(problems_of("u", kernels_of(log), SECONDS + 1)[0]) == 4   # a spill, a stack frame, no budget, and the time
    budgets.check_itself()
    assert WGMMA.findall("ptxas info : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized\n" + log) and not WGMMA.findall(log)
    assert CONTAINS.match("// contains: a, b.c\n")[1] == "a, b.c" and not CONTAINS.match("#include\n// contains: a\n")
    waits = "griddepcontrol.launch_dependents; griddepcontrol.wait;"
    ptx = f".entry _ZN4cuda5entryIA(x) {{}} .entry _ZN4cuda5entryIB(x) {{ {waits} }} .entry other(x) {{}}"
    assert missing("// contains: mma, other\n", ptx) == ["mma"] and len(rash(ptx)) == 1
    assert problems_of("u", [], 1)[0] and not problems_of("u", [("sample_sums", 64, 0, 0)], 1)[0]


def main():
    check_itself()
    nvcc, units, problems, total, met = find_nvcc(), sorted(HERE.glob("*.cu")), [], 0, set()
    if not nvcc:
        reason = f"code generation of {len(units)} units: no nvcc"
        print(f"SKIPPED: {reason}")
        if log := os.environ.get("VERBATIM_SKIPS"):
            with open(log, "a") as file:
                file.write(reason + "\n")
        return 77
    check_contraction(nvcc)
    for unit in units:
        with tempfile.TemporaryDirectory() as folder:
            start = processor_seconds()
            done = subprocess.run([nvcc, "-arch=sm_90a", "-std=c++20", "-cubin", "-Xptxas", "-v", "-Werror", "all-warnings",
                                   "-Xcompiler", "-Wall,-Wextra,-Werror", f"-I{INCLUDE}", f"-I{HERE}", "-MD", "-MF", f"{folder}/deps", "--keep", "--keep-dir", folder,
                                   str(unit), "-o", f"{folder}/out.cubin"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            seconds = processor_seconds() - start
            if done.returncode:
                problems.append(f"{unit.name} does not compile:\n{done.stdout[-4000:]}")
                continue
            fused = contracted(nvcc, unit, pathlib.Path(f"{folder}/out.cubin"), folder)
            problems += [f"{unit.name}: not compiled with -fmad"] if fused is None else [f"{unit.name}: -fmad changes {name}" for name in fused]
            ptx = pathlib.Path(f"{folder}/{unit.stem}.ptx").read_text()
            seen = re.findall(r"\S+", pathlib.Path(f"{folder}/deps").read_text())
        kernels = kernels_of(done.stdout)
        problems += [f"{unit.name}: ptxas says {line[:300]}" for line in WGMMA.findall(done.stdout)]
        problems += [f"{unit.name}: no {name} in its PTX" for name in missing(unit.read_text(), ptx)]
        problems += [f"{unit.name}: {name} does not wait for the launch before, or is waited for to its end" for name in rash(ptx)]
        total += len(kernels)
        print(f"{unit.name}: {seconds:.1f} s")
        for name, used, stack, spilled in kernels:
            found = budgets.budget_of(name)
            print(f"  {used:4d} registers of {found[1] if found else '?'} {stack:4d} stack {spilled:4d} spilled  {name}")
        wrong, rows = problems_of(unit.name, kernels, seconds)
        problems += wrong
        met |= rows
        problems += [f"{unit.name}: nvcc sees {path}" for path in seen
                     if "nlohmann" in path or "boost/" in path or pathlib.PurePath(path).name in FORBIDDEN_SYSTEM]
    problems += budgets.unmet(met)
    print(f"{total} kernels in {len(units)} units")
    print("\n".join(problems))
    return 1 if problems or not total else 0


if __name__ == "__main__":
    sys.exit(main())
