#!/usr/bin/env python3
"""What formats of weights, keys and values cost in quality: perplexity of a text under each.

  benchmarks/perplexity.py --model DIR --text FILE [--window 256] [--windows 100] [--json FILE]

The text's ids are cut into windows, each scored on its own (prompt_logprobs of /v1/completions, every token but the first given those
before it). Per format: perplexity, and its ratio to the first row's. A model with a tokenizer is needed. Standard library only.
"""
import argparse
import json
import math
import pathlib
import urllib.request

from server_process import Server, free_port

ROOT = pathlib.Path(__file__).resolve().parents[1]
FORMATS = [("checkpoint", "activations"), ("int8", "activations"), ("int4", "activations"), ("w4a8", "activations"), ("checkpoint", "int8"), ("int4", "int8")]


def post(port, path, body):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=300) as r:
        return json.load(r)


def negative_log(port, ids):
    """Sum over the window's tokens but the first, and how many these are."""
    answer = post(port, "/v1/completions", {"prompt": ids, "max_tokens": 1, "prompt_logprobs": 0, "temperature": 0})
    entries = answer["choices"][0]["prompt_logprobs"][1:]
    return -sum(entry[str(id_)]["logprob"] for id_, entry in zip(ids[1:], entries, strict=True)), len(entries)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", type=pathlib.Path, required=True)
    p.add_argument("--text", type=pathlib.Path, required=True)
    p.add_argument("--verbatim", type=pathlib.Path, default=ROOT / "build/release/bin/verbatim")
    p.add_argument("--window", type=int, default=256)
    p.add_argument("--windows", type=int, default=100, help="at most")
    p.add_argument("--json", type=pathlib.Path, help="append the rows as JSON lines")
    a = p.parse_args()
    text = a.text.read_text(encoding="utf-8")
    first = None
    for weights, kv in FORMATS:
        port = free_port()
        server = Server([a.verbatim, "serve", "--model", a.model, "--weights", weights, "--kv", kv, "--port", port], port)
        try:
            ids = post(port, "/tokenize", {"prompt": text, "add_special_tokens": False})["tokens"]
            windows = [ids[i:i + a.window] for i in range(0, len(ids) - a.window + 1, a.window)][:a.windows]
            parts = [negative_log(port, w) for w in windows]
        finally:
            server.stop()
        tokens = sum(n for _, n in parts)
        perplexity = math.exp(sum(x for x, _ in parts) / tokens)
        first = first or perplexity
        row = {"what": "perplexity", "model": a.model.name, "text": a.text.name, "window": a.window, "tokens": tokens, "weights": weights, "kv": kv,
               "perplexity": round(perplexity, 4), "ratio": round(perplexity / first, 4)}
        print(f"weights {weights:10}  kv {kv:11}  {tokens:6} tokens  perplexity {perplexity:9.4f}  ratio {perplexity / first:.4f}", flush=True)
        if a.json:
            with a.json.open("a") as out:
                out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
