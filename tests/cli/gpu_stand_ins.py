"""What tests of benchmarks/gpu.sh put in the place of a card and of programs that need one."""
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "benchmarks/gpu.sh"
sys.path.insert(0, str(ROOT / "benchmarks"))

LIMITS = {"name": "NVIDIA Stand-in", "read_gb_per_second": 4000.0, "copy_gb_per_second": 4200.0, "bf16_tflop_per_second": 800.0}
problems = []


def expect(what, holds):
    if not holds:
        problems.append(what)
        print(f"not so: {what}")


def program(path, text):
    path.write_text("#!/usr/bin/env bash\n" + text)
    path.chmod(0o755)


def run(folder, *arguments, record, **more):
    env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", **more}
    return subprocess.run([SCRIPT, "--record", record, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, timeout=300)


def card(folder):
    """nvidia-smi of a card that is there; it notes whether it was told to set something."""
    program(folder / "nvidia-smi", '''case "$*" in
  *-lms*) while echo "1755, 2619, 400.5, 50"; do sleep 0.1; done ;;
  *--query-gpu=name\\ --format*) echo "NVIDIA Stand-in" ;;
  *) case "$*" in *[[:space:]]-pl*|*-lgc*|*-ac*|*-pm*|*-mig*|*-r*) touch "${0%/*}/set" ;; esac
     echo "NVIDIA Stand-in, 580.1, 81559, 345, 2619, 1980, 2619, 700.00, 70.1, 30, Enabled, P0, Enabled, 0" ;;
esac
''')


def programs_in(folder, rates=f"echo '{json.dumps(LIMITS)}'\n", **others):
    """A folder of programs, bench_gpu_rates among them."""
    programs = folder / "programs"
    programs.mkdir(parents=True)
    (programs / "about.json").write_text('{"commit": "abc1234", "march": "x86-64-v3"}')
    for name, text in {"bench_gpu_rates": rates, **others}.items():
        program(programs / name, text)
    return programs


def bench_row(batch, prompt, output, prefill, decode):
    return json.dumps({"batch": batch, "prompt": prompt, "output": output, "repetitions": 3, "prefill_tokens_per_second": prefill, "decode_tokens_per_second": decode,
                       "ttft_seconds": 0.5, "itl_p50_seconds": 0.01, "itl_p99_seconds": 0.02})
