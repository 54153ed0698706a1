#!/usr/bin/env python3
"""verbatim beside llama.cpp on one machine, in one run: the two take turns, and what counts is the ratio.

  benchmarks/peers/llama_cpp.py --llama DIR --gguf FILE --model DIR [--weights int8] [--rounds 5] [--json FILE]

DIR of --llama holds llama-bench and llama-batched-bench (build llama.cpp with native flags). FILE and the model directory (Hugging
Face layout, or a config.json: random weights of its shapes) should be one model. Per row, the medians over rounds of both, in
tokens per second, and the median of the rounds' ratios. Standard library only.
"""
import argparse
import json
import pathlib
import subprocess
import sys

from side_by_side import Table

ROOT = pathlib.Path(__file__).resolve().parents[2]


def run(command):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout


class Peer:
    def __init__(self, a):
        self.a = a

    def prefill(self, tokens):
        rows = json.loads(run([self.a.llama / "llama-bench", "-m", self.a.gguf, "-t", self.a.threads, "-p", tokens, "-n", 0, "-r", 1, "-o", "json"]))
        return rows[0]["avg_ts"]

    def decode(self, batch, prompt, output):
        if batch == 1:
            rows = json.loads(run([self.a.llama / "llama-bench", "-m", self.a.gguf, "-t", self.a.threads, "-p", 0, "-n", output, "-r", 1, "-o", "json"]))
            return rows[0]["avg_ts"]
        out = run([self.a.llama / "llama-batched-bench", "-m", self.a.gguf, "-t", self.a.threads, "-tb", self.a.threads, "-c", batch * (prompt + output),
                   "-b", 2048, "-ub", 512, "-npp", prompt, "-ntg", output, "-npl", batch, "--output-format", "jsonl"])
        return [json.loads(line) for line in out.splitlines() if line.startswith("{")][-1]["speed_tg"]


class Ours:
    def __init__(self, a):
        self.a = a

    def bench(self, batch, prompt, output):
        model = ["--random-weights", self.a.model] if self.a.model.is_file() else ["--model", self.a.model]
        out = run([self.a.verbatim, "bench", *model, "--dtype", self.a.dtype, "--weights", self.a.weights, "--threads", self.a.threads, "--batch", batch,
                   "--prompt", prompt, "--output", output, "--repetitions", 1, "--no-floor", "--json"])
        return json.loads(out.splitlines()[-1])

    def prefill(self, tokens):
        return self.bench(1, tokens, 2)["prefill_tokens_per_second"]

    def decode(self, batch, prompt, output):
        return self.bench(batch, 1 if batch == 1 else prompt, output)["decode_tokens_per_second"]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--llama", type=pathlib.Path, required=True)
    p.add_argument("--gguf", type=pathlib.Path, required=True)
    p.add_argument("--model", type=pathlib.Path, required=True)
    p.add_argument("--verbatim", type=pathlib.Path, default=ROOT / "build/release/bin/verbatim")
    p.add_argument("--dtype", default="bf16")
    p.add_argument("--weights", default="checkpoint")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--batch", default="1,16,32,64")
    p.add_argument("--prompt", type=int, default=128)
    p.add_argument("--output", type=int, default=128)
    p.add_argument("--prefill", type=int, default=512, help="tokens; 0: none")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--json", type=pathlib.Path, help="append the rows as JSON lines")
    a = p.parse_args()
    peer, ours = Peer(a), Ours(a)
    rows = [(f"decode, batch {n}", lambda who, n=int(n): who.decode(n, a.prompt, a.output)) for n in a.batch.split(",") if n]
    if a.prefill:
        rows.append((f"prefill {a.prefill}", lambda who: who.prefill(a.prefill)))
    table = Table(f"{a.gguf.name} and {a.model.name}, weights {a.weights}, {a.threads} threads, {a.rounds} rounds in turn", a.json,
                  weights=a.weights, gguf=a.gguf.name, threads=a.threads, prompt=a.prompt, output=a.output)
    for name, measure in rows:
        theirs, mine = [], []
        for _ in range(a.rounds):
            theirs.append(measure(peer))
            mine.append(measure(ours))
        table.row(name, theirs, mine)


if __name__ == "__main__":
    main()
