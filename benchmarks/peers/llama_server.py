#!/usr/bin/env python3
"""verbatim's server beside llama-server on one machine, in one run: each round starts one, measures, stops it, then the other.

  benchmarks/peers/llama_server.py --llama DIR --gguf FILE --model DIR [--clients 16] [--requests 2] [--tokens 64] [--rounds 5] [--json FILE]

DIR of --llama holds llama-server (build llama.cpp with native flags); FILE and the model directory (Hugging Face layout) should be one
model. Both get the same threads and slots, and what llama-server does by default. Time to ready is from the start of the process to the
first 200 of /health. `--overhead`: one client, one token, no stream, short prompts: what everything but the model costs, for a small
model. Ratios are verbatim over llama.cpp, medians over rounds. Standard library only.
"""
import argparse
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import server_load  # noqa: E402
from server_process import Server, free_port  # noqa: E402
from side_by_side import Table  # noqa: E402


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--llama", type=pathlib.Path, required=True)
    p.add_argument("--gguf", type=pathlib.Path, required=True)
    p.add_argument("--model", type=pathlib.Path, required=True)
    p.add_argument("--verbatim", type=pathlib.Path, default=ROOT / "build/release/bin/verbatim")
    p.add_argument("--weights", default="checkpoint")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--chunk-tokens", type=int, default=0, help="of verbatim's server; 0: its choice")
    p.add_argument("--clients", type=int, default=16)
    p.add_argument("--requests", type=int, default=2)
    p.add_argument("--tokens", type=int, default=64)
    p.add_argument("--words", type=int, default=64)
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--overhead", action="store_true")
    p.add_argument("--json", type=pathlib.Path, help="append the rows as JSON lines")
    a = p.parse_args()
    if a.overhead:
        a.clients, a.tokens, a.words, a.requests = 1, 1, 4, max(a.requests, 200)
    context = 512 if a.words <= 96 and a.tokens <= 128 else 4096
    theirs = [a.llama / "llama-server", "-m", a.gguf, "-t", a.threads, "-tb", a.threads, "-np", a.clients, "-c", context * a.clients, "--host", "127.0.0.1"]
    mine = [a.verbatim, "serve", "--model", a.model, "--threads", a.threads, "--max-batch", a.clients, "--context", context, "--weights", a.weights,
            "--chunk-tokens", a.chunk_tokens]
    rows = {"llama.cpp": [], "verbatim": []}
    for round_ in range(a.rounds):
        for name, command in (("llama.cpp", theirs), ("verbatim", mine)):
            port = free_port()
            server = Server([*command, "--port", port], port)
            try:
                row = server_load.run(port, a.clients, a.requests, a.tokens, a.words, not a.overhead, 7 + round_)
                row["ready_seconds"], row["resident_mb"] = server.ready_seconds, server.resident_mb()
            finally:
                server.stop()
            rows[name].append(row)
    table = Table(f"{a.gguf.name} and {a.model.name}, weights {a.weights}, {a.threads} threads, {a.clients} clients x {a.requests} requests x {a.tokens} tokens, "
                  f"{a.rounds} rounds in turn",
                  a.json, weights=a.weights, gguf=a.gguf.name, threads=a.threads, clients=a.clients, tokens=a.tokens)
    for key in rows["verbatim"][0]:
        if key not in ("clients", "requests"):
            table.row(key, [r[key] for r in rows["llama.cpp"]], [r[key] for r in rows["verbatim"]])


if __name__ == "__main__":
    main()
