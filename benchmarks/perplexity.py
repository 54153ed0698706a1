#!/usr/bin/env python3
"""What formats of weights, keys and values cost in quality: perplexity of a text under each.

  benchmarks/perplexity.py --model DIR --text FILE [--bf16] [--window 256] [--windows 100] [--json FILE]

The text's ids are cut into windows, each scored on its own (prompt_logprobs of /v1/completions, every token but the first given those
before it). Per format: perplexity, and its ratio to the first row's. A model with a tokenizer is needed. --bf16 takes a small f32 checkpoint
(one file) rounded to bf16. Standard library only.
"""
import argparse
import array
import json
import math
import pathlib
import shutil
import struct
import sys
import tempfile
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


def rounded_to_bf16(model, folder):
    """The model in a folder of its own, every tensor rounded to the nearest bf16, ties to even."""
    copy = pathlib.Path(folder) / model.name
    shutil.copytree(model, copy)
    raw = (model / "model.safetensors").read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    header, out, body = json.loads(raw[8:8 + size]), {}, bytearray()
    header.pop("__metadata__", None)
    for name, tensor in header.items():
        if tensor["dtype"] != "F32":
            sys.exit(f"{model}: {name} is {tensor['dtype']}, and --bf16 rounds F32")
        begin, end = tensor["data_offsets"]
        words = array.array("I", raw[8 + size + begin:8 + size + end])
        halves = array.array("H", ((w + 0x7fff + (w >> 16 & 1)) >> 16 for w in words)).tobytes()
        out[name] = {"dtype": "BF16", "shape": tensor["shape"], "data_offsets": [len(body), len(body) + len(halves)]}
        body += halves
    text = json.dumps(out).encode()
    text += b" " * (-len(text) % 8)
    (copy / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + body)
    config = json.loads((model / "config.json").read_text())
    config.pop("dtype", None)
    (copy / "config.json").write_text(json.dumps({**config, "torch_dtype": "bfloat16"}))
    return copy


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--model", type=pathlib.Path, required=True)
    p.add_argument("--text", type=pathlib.Path, required=True)
    p.add_argument("--verbatim", type=pathlib.Path, default=ROOT / "build/release/bin/verbatim")
    p.add_argument("--bf16", action="store_true", help="round an f32 checkpoint to bf16 first")
    p.add_argument("--window", type=int, default=256)
    p.add_argument("--windows", type=int, default=100, help="at most")
    p.add_argument("--json", type=pathlib.Path, help="append the rows as JSON lines")
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(a, rounded_to_bf16(a.model, folder) if a.bf16 else a.model)


def measure(a, model):
    text = a.text.read_text(encoding="utf-8")
    first = None
    for weights, kv in FORMATS:
        port = free_port()
        server = Server([a.verbatim, "serve", "--model", model, "--weights", weights, "--kv", kv, "--port", port], port)
        try:
            ids = post(port, "/tokenize", {"prompt": text, "add_special_tokens": False})["tokens"]
            windows = [ids[i:i + a.window] for i in range(0, len(ids) - a.window + 1, a.window)][:a.windows]
            parts = [negative_log(port, w) for w in windows]
        finally:
            server.stop()
        tokens = sum(n for _, n in parts)
        perplexity = math.exp(sum(x for x, _ in parts) / tokens)
        first = first or perplexity
        row = {"what": "perplexity", "model": model.name, "dtype": "bf16" if a.bf16 else "checkpoint", "text": a.text.name, "window": a.window, "tokens": tokens,
               "weights": weights, "kv": kv,
               "perplexity": round(perplexity, 4), "ratio": round(perplexity / first, 4)}
        print(f"weights {weights:10}  kv {kv:11}  {tokens:6} tokens  perplexity {perplexity:9.4f}  ratio {perplexity / first:.4f}", flush=True)
        if a.json:
            with a.json.open("a") as out:
                out.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
