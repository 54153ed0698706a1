#!/usr/bin/env python3
"""./serve answers at once what needs no build: in a copy of it without a build folder, and with nothing on the PATH that could build one."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
problems = []
with tempfile.TemporaryDirectory() as place:
    folder, tools = pathlib.Path(place) / "project", pathlib.Path(place) / "tools"
    (folder / "cmake").mkdir(parents=True)
    own = folder / "examples" / "models" / "tiny-chat"
    own.mkdir(parents=True)
    (own / "config.json").write_text("{}")
    tools.mkdir()
    shutil.copy(ROOT / "serve", folder)
    shutil.copy(ROOT / "cmake" / "setup.sh", folder / "cmake")
    for name in ("bash", "dirname", "readlink", "sed", "mkdir", "cat", "grep"):
        (tools / name).symlink_to(shutil.which(name))
    recorder = tools / "cmake"
    recorder.write_text('#!/bin/sh\necho "cmake $*" >>"' + str(folder) + '/calls"\nexit 3\n')
    recorder.chmod(0o755)

    def serve(*arguments, environment={}):
        """Exit code, both outputs, and what was asked of cmake."""
        (folder / "calls").write_text("")
        done = subprocess.run([folder / "serve", *arguments], cwd=place, capture_output=True, text=True, timeout=60, env={"PATH": str(tools), **environment})
        return done.returncode, done.stdout, done.stderr, (folder / "calls").read_text()

    def expect(what, good, found):
        print(("ok      " if good else "FAILED  ") + what)
        if not good:
            problems.append(f"{what}: {found}")

    for arguments in (("--help",), ("-h",), ("no-such-folder", "--help"), ("--port", "0", "--help")):
        code, out, err, calls = found = serve(*arguments)
        expect(f"./serve {' '.join(arguments)} explains itself and builds nothing", code == 0 and out.startswith("./serve [MODEL_DIR]") and not calls, found)
    for arguments, missing in ((("no-such-folder", "--port", "0"), "no-such-folder: no such file"), (("/nonexistent/model",), "/nonexistent/model: no such file"),
                               (("project/cmake",), "project/cmake/config.json: no such file"), (("--model", "nothing"), "nothing: no such file"),
                               (("--port", "0", "--model=nothing"), "nothing: no such file")):
        code, out, err, calls = found = serve(*arguments)
        expect(f"./serve {' '.join(arguments)} is refused, and nothing is built", code == 1 and not out and missing in err and not calls, found)
    found = serve()
    expect("./serve configures without the parts for GPUs", "-DVERBATIM_CUDA=OFF" in found[3] and "-DVERBATIM_CUDA=ON" not in found[3], found)
    for arguments in (("--device", "cuda"), ("--device=cuda",), ("project/examples/models/tiny-chat", "--port", "0", "--device", "cuda")):
        found = serve(*arguments)
        expect(f"./serve {' '.join(arguments)} configures with them", found[3].rstrip().endswith("-DVERBATIM_CUDA=ON"), found)
    found = serve("--device", "cpu", environment={"VERBATIM_CUDA": "AUTO"})
    expect("VERBATIM_CUDA has the last word", found[3].rstrip().endswith("-DVERBATIM_CUDA=AUTO"), found)
    (folder / "build" / "release" / "CMakeCache.txt").write_text("")
    found = serve()
    expect("what was configured before stays as it is", found[3] and "VERBATIM_CUDA" not in found[3], found)

print("\n".join(problems))
sys.exit(1 if problems else 0)
