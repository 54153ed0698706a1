"""What a run leaves: a table, a plot, and a record of where and how it came about."""
import csv
import datetime
import json
import os
import pathlib
import platform
import re
import subprocess

import matplotlib
import numpy


def plot(path, rows):
    """Reward above, divergence below."""
    matplotlib.use("Agg")
    matplotlib.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "grpo"}
    from matplotlib import pyplot
    figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(7, 5.5), layout="constrained")
    curve = lambda key: zip(*((r["step"], r[key]) for r in rows if r[key] != ""))
    above.plot(*curve("reward"), color="0.7", label="the step's samples")
    above.plot(*curve("held_out"), "o-", label="held-out questions")
    above.set(ylabel="reward", ylim=(0, 1.02))
    below.plot(*curve("step_kl"), ".", color="C1", label="of the weights after the step")
    below.plot(*curve("trainer_kl"), ".", color="0.7", label="of the trainer's own forward pass")
    below.plot(*curve("kl"), label="of the server's scores: exactly 0")
    below.set_yscale("symlog", linthresh=1e-9)
    below.set(xlabel="step", ylabel="KL from the samples, nats a token", ylim=(-5e-10, 100))
    above.legend(loc="center right", frameon=False)
    below.legend(loc="upper right", frameon=False)
    figure.savefig(path, metadata={"Date": None})


def write(folder, rows, record):
    """reward.csv, one row a step; grpo.svg; record.json."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "reward.csv", "w", newline="") as out:
        table = csv.DictWriter(out, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
    plot(folder / "grpo.svg", rows)
    (folder / "record.json").write_text(json.dumps(record, indent=2) + "\n")


def machine():
    """Commit, date and processor, as far as the system tells."""
    described = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=pathlib.Path(__file__).parent, capture_output=True, text=True)
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return {"commit": described.stdout.strip(), "date": datetime.date.today().isoformat(),
            "processor": named[1] if named else platform.processor(), "cores": os.cpu_count(), "numpy": numpy.__version__}
