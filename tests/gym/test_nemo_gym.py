#!/usr/bin/env python3
"""NVIDIA NeMo Gym itself, from PyPI, against our server with the bundled model: every rollout must be one that NeMo RL trains on.

NeMo Gym needs Python 3.12 or newer and some hundred megabytes of packages: they live in build/venv-gym. Without either this
check is skipped.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "server"))
from running import BIN, MODEL, ROOT, server, skip_all  # noqa: E402

VENV = ROOT / "build" / "venv-gym"
VERSIONS = ("3.12", "3.13")   # that the pinned packages have wheels for
CONTEXT = 16384               # the prompts of example_multi_step are longer than the bundled model was trained for


def find_python():
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv") / "versions"
    for version in VERSIONS:
        installed = [str(p) for p in sorted(pyenv.glob(f"{version}.*/bin/python{version}"))]
        for python in [shutil.which(f"python{version}"), *installed]:   # a shim of pyenv may be there and not work
            if python and subprocess.run([python, "-c", "import ensurepip, ssl"], capture_output=True).returncode == 0:
                return python
    skip_all("NeMo Gym: no Python 3.12 or 3.13 here")


def install():
    """Makes the virtual environment unless it is there and complete."""
    wanted, marker = (HERE / "requirements.txt").read_text(), VENV / "installed.txt"
    if (VENV / "bin" / "python").exists() and marker.exists() and marker.read_text() == wanted:
        return
    start = time.monotonic()
    subprocess.run([find_python(), "-m", "venv", "--clear", VENV], check=True)
    pip = [VENV / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", "--no-compile", "--retries", "1"]
    try:
        done = subprocess.run([*pip, "-r", HERE / "requirements.txt"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600)
    except subprocess.TimeoutExpired:
        skip_all("NeMo Gym: its packages were not fetched within ten minutes")
    if done.returncode != 0:
        print(done.stdout[-2000:])
        skip_all("NeMo Gym: its packages cannot be fetched here")
    marker.write_text(wanted)
    print(f"packages installed in {time.monotonic() - start:.0f} s", flush=True)


def longer_model(folder):
    """The bundled model with room for long prompts: rotary positions go on, and what it says is of no matter here."""
    for path in MODEL.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / "config.json").unlink()
    config = json.loads((MODEL / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"max_position_embeddings": CONTEXT}))
    return folder


if not (MODEL / "model.safetensors").exists():
    skip_all("the bundled model is not here")
install()
with tempfile.TemporaryDirectory() as folder:
    def serve(model, *options):
        return server(BIN / "verbatim", "serve", "--model", model, "--name", "policy", "--port", "0", *options)

    pinned = ("--pin-sampling", "reject", "--pinned", "1.0,1.0")
    longer = longer_model(pathlib.Path(folder))
    with serve(longer, "--gym", *pinned) as bundles, serve(longer, *pinned) as plain, serve(MODEL, "--gym") as short:
        urls = [f"http://127.0.0.1:{port}/v1" for port, *_ in (bundles, plain, short)]
        code = subprocess.run([VENV / "bin" / "python", HERE / "rollouts.py", urls[0], "--plain", urls[1], "--short", urls[2]],
                              cwd=folder, timeout=400).returncode
sys.exit(code)
