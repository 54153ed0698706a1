"""The table and the record that the comparisons of this folder share: per row the medians of both, the median of the rounds' ratios
(verbatim over the peer), the least and the most of them. A row of the record says when, and from which commit, it was measured."""
import datetime
import json
import pathlib
import statistics
import subprocess

HERE = pathlib.Path(__file__).resolve().parent


def commit():
    """The checked-out commit, with a plus where files have changed since; empty outside a repository."""
    def git(*command):
        return subprocess.run(["git", "-C", str(HERE), *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")


class Table:
    def __init__(self, title, record, **common):
        """`record`: a path that rows are appended to as JSON lines, or None; `common`: what every row says of its run."""
        self.record = record
        self.common = {**common, "date": datetime.date.today().isoformat(), "commit": commit()}
        print(title)
        print(f"{'':24} {'llama.cpp':>12} {'verbatim':>12} {'ratio':>8} {'least':>8} {'most':>8}")

    def row(self, what, theirs, ours):
        if None in theirs or None in ours:
            print(f"{what:24} not seen: the model's tokens gave no text", flush=True)
            return
        if not all(theirs) or not all(ours):
            print(f"{what:24} not compared: 0 in a round (texts that came in one piece have no gap)", flush=True)
            return
        ratios = [m / t for m, t in zip(ours, theirs)]
        row = {"what": what, **self.common, "rounds": len(ratios), "llama_cpp": statistics.median(theirs), "verbatim": statistics.median(ours),
               "ratio": statistics.median(ratios)}
        print(f"{what:24} {row['llama_cpp']:12.2f} {row['verbatim']:12.2f} {row['ratio']:8.2f} {min(ratios):8.2f} {max(ratios):8.2f}", flush=True)
        if self.record:
            with self.record.open("a") as f:
                f.write(json.dumps(row) + "\n")
