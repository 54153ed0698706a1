"""bench_tokenizer beside the Python package tokenizers, in the same run, on one thread, on the same text. Processor time.

usage: tokenizer_peer.py PROGRAM TOKENIZER.json(.gz) [--testdata DIR] [--megabytes N] [--runs N]
The text is the test data's corpora (English, code, JSON, dialogue, some Unicode), one after the other, repeated to N MB.
"""
import argparse
import gzip
import json
import os
import pathlib
import subprocess
import tempfile
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"
from tokenizers import Tokenizer  # noqa: E402


def corpus(testdata, size):
    texts = [x["text"] for x in json.loads((testdata / "encodings/hf-oracle/texts.json").read_text())]
    for path in sorted((testdata / "corpora").rglob("*")):
        if path.suffix in (".txt", ".jsonl", ".json"):
            texts.append(path.read_text(encoding="utf-8", errors="replace"))
    whole = "\n".join(texts)
    while len(whole.encode()) < size:
        whole += whole
    return whole.encode()[:size].decode("utf-8", errors="ignore")


def cut(text, piece):
    """As the program does: pieces of at least so many bytes that end behind a line end."""
    pieces, at = [], 0
    while at < len(text):
        line = text.find(b"\n", min(at + piece, len(text)))
        end = len(text) if line < 0 else line + 1
        pieces.append(text[at:end].decode())
        at = end
    return pieces


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("--testdata", type=pathlib.Path, default=pathlib.Path(__file__).parents[1] / "../shared/testdata")
    parser.add_argument("--megabytes", type=float, default=10)
    parser.add_argument("--piece", type=int, default=10000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    text = corpus(args.testdata, int(args.megabytes * 1e6))
    with tempfile.TemporaryDirectory() as folder:
        data = args.tokenizer.read_bytes()
        plain, file = pathlib.Path(folder) / "tokenizer.json", pathlib.Path(folder) / "text"
        plain.write_bytes(gzip.decompress(data) if args.tokenizer.suffix == ".gz" else data)
        file.write_text(text, encoding="utf-8", newline="")
        ours = json.loads(subprocess.run([args.program, plain, file, str(args.runs), str(args.piece)], capture_output=True, check=True, text=True).stdout)
        load, encode, decode = [], [], []
        pieces = cut(text.encode(), args.piece)
        for _ in range(args.runs):
            begin = time.process_time()
            peer = Tokenizer.from_file(str(plain))
            load.append(time.process_time() - begin)
            begin = time.process_time()
            ids = [i for piece in pieces for i in peer.encode(piece, add_special_tokens=False).ids]
            encode.append(time.process_time() - begin)
            begin = time.process_time()
            peer.decode(ids, skip_special_tokens=False)
            decode.append(time.process_time() - begin)
    digest = 14695981039346656037
    for i in ids:
        digest = (digest ^ i) * 1099511628211 % 2**64
    size = len(text.encode()) / 1e6
    theirs = {"load_ms": round(min(load) * 1e3, 1), "encode_mb_s": round(size / min(encode), 2), "decode_mb_s": round(size / min(decode), 2),
              "tokens": len(ids), "digest": f"{digest:016x}"}
    print(json.dumps({"verbatim": ours, "tokenizers": theirs, "same_ids": theirs["digest"] == ours["digest"],
                      "encode_ratio": round(ours["encode_mb_s"] / theirs["encode_mb_s"], 1)}, indent=1))


main()
