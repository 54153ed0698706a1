#!/usr/bin/env python3
"""Builds and runs one consumer of the library, as a user's project would: add_subdirectory, find_package after an install
into a fresh prefix, or the compiler with nothing but -I."""
import argparse
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


def cmake_consumer(kind, work, compiler, *options):
    for source in (HERE / kind / "CMakeLists.txt", HERE / "main.cpp", HERE / "rollout.hpp"):
        shutil.copy(source, work)
    run("cmake", "-S", work, "-B", work / "build", "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1",
        f"-DCMAKE_CXX_COMPILER={compiler}", *launcher(), *options)
    run("cmake", "--build", work / "build")
    return work / "build" / "app"


def launcher():
    return ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=["add_subdirectory", "find_package", "bare"])
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--build", required=True, help="this project's build folder, to install from")
    parser.add_argument("--compiler", required=True)
    args = parser.parse_args()
    work = args.work / args.kind
    if work.exists():
        shutil.rmtree(work)
    work.mkdir(parents=True)
    if args.kind == "add_subdirectory":
        (work / "verbatim").symlink_to(ROOT)
        program = cmake_consumer(args.kind, work, args.compiler)
    elif args.kind == "find_package":
        run("cmake", "--install", args.build, "--prefix", work / "prefix")
        program = cmake_consumer(args.kind, work, args.compiler, f"-DCMAKE_PREFIX_PATH={work / 'prefix'}")
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
