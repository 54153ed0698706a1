#!/usr/bin/env python3
"""Builds and runs one consumer of the library, as a user's project would: add_subdirectory, find_package after an install
into a fresh prefix, or the compiler with nothing but -I. What is installed are the headers that the others compile, file for file; so its
consumer takes the bodies that this project's build compiled once (core/separate.hpp), and compiles the rest with the build's flags; a small
one beside it (ids.cpp) compiles what it reads, as users do."""
import argparse
import filecmp
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
MODEL = ROOT / "examples" / "models" / "tiny-chat"


def run(*command):
    print("+ " + " ".join(map(str, command)), flush=True)
    subprocess.run([str(c) for c in command], check=True)


def cmake_consumer(kind, work, compiler, flags, *options):
    for source in (HERE / kind / "CMakeLists.txt", HERE / "main.cpp", HERE / "rollout.hpp", HERE / "ids.cpp"):
        shutil.copy(source, work)
    run("cmake", "-S", work, "-B", work / "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", f"-DCMAKE_CXX_FLAGS_RELEASE={flags}",
        f"-DCMAKE_CXX_COMPILER={compiler}", *launcher(), *options)
    run("cmake", "--build", work / "build")
    return work / "build" / "app"


def check_installed(prefix):
    """Every header is there, and as it is here."""
    here, there = ROOT / "include", prefix / "include"
    names = sorted(path.relative_to(here) for path in here.rglob("*") if path.is_file())
    installed = sorted(path.relative_to(there) for path in there.rglob("*") if path.is_file())
    if not names or installed != names:
        sys.exit(f"installed, or not: {sorted(map(str, set(names) ^ set(installed)))}")
    if different := [str(name) for name in names if not filecmp.cmp(here / name, there / name, shallow=False)]:
        sys.exit(f"installed otherwise than they are here: {different}")


def launcher():
    return ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["add_subdirectory", "find_package", "bare"])
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--build", required=True, help="this project's build folder, to install from")
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--bodies", required=True, help="the library of bodies that this project's build compiled once")
    parser.add_argument("--flags", required=True, help="those that it was compiled with")
    args = parser.parse_args()
    work = args.work / args.kind
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True)
    if args.kind == "add_subdirectory":
        (work / "verbatim").symlink_to(ROOT)
        program = cmake_consumer(args.kind, work, args.compiler, "-O0")
    elif args.kind == "find_package":
        run("cmake", "--install", args.build, "--prefix", work / "prefix")
        check_installed(work / "prefix")
        program = cmake_consumer(args.kind, work, args.compiler, f"-O1 -DNDEBUG {args.flags}", f"-DCMAKE_PREFIX_PATH={work / 'prefix'}", f"-DBODIES={args.bodies}")
        run(work / "build" / "ids", MODEL)
    else:
        program = work / "app"
        run(*(["ccache"] if shutil.which("ccache") else []), args.compiler, "-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror",
            f"-I{ROOT / 'include'}", "-c", HERE / "bare.cpp", "-o", work / "bare.o")
        run(args.compiler, work / "bare.o", "-o", program, "-lpcre2-8", "-pthread")
    run(program, MODEL)


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"exit code {error.returncode}: {' '.join(map(str, error.cmd))}")
