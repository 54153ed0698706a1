"""Compares `verbatim tokenize` and `detokenize` with the Python package tokenizers on random Unicode text.

usage: tokenizers_diff.py PROGRAM [--testdata DIR] [--texts N] [--seed S] [NAME ...]
Every tokenizer.json(.gz) of the test data whose model is BPE: encode, encode with special tokens, decode, and decode without
special tokens, of random texts and of random ids. Prints counts; exit code 1 when anything differs.
"""
import argparse
import gzip
import json
import pathlib
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

RANGES = [(0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x52F), (0x590, 0x6FF), (0x900, 0xDFF), (0xE00, 0xEFF),
          (0x1100, 0x11FF), (0x1E00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x2BFF), (0x3000, 0x30FF), (0x4E00, 0x9FFF),
          (0xAC00, 0xD7A3), (0xF900, 0xFFEF), (0x10000, 0x1FFFF), (0x1F300, 0x1FAFF), (0x20000, 0x323AF)]
PIECES = ["'s", "'S", "'\u017f", "'re", "'LL", "'ve ", "n't", " ", "  ", "   ", "\n", "\r\n", "\n\n", "\t", " \n ", "\u00a0", "\u3000", "\u0085",
          "\u180e", "\u200b", "\u200d", "0", "7", "123", "1234567", "\u00b2", "\u0663", "\u2167", "the", " the", "The", "THE", "McDonald", "camelCaseWord",
          "HTTPServer", "\u01c5", "e\u0301", "\u0301", "\u0323\u0307", "\u1100\u1161\u11a8", "\uac00\u11a8", "\u4e2d\u6587", "\u65e5\u672c\u8a9e\u306e",
          "\U0001f600", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "//", "/", "--", "==", "_", "__init__", "\u2581", "\u2581\u2581", "<0x41>", "\uff5c", "\ufffd",
          "\u0000", "\u0007", "\u0e01\u0e33", "\u0930\u094d\u0915", "\u0130", "\u00df", "\ufb01", "\u2126", "\u212b", "\u1e9b\u0323", ".", ",", "?!", "$", "+1", "\u20ac"]


def text(rng, added):
    out = []
    for _ in range(rng.randint(0, 30)):
        kind = rng.random()
        if kind < 0.5:
            out.append(rng.choice(PIECES))
        elif kind < 0.6 and added:
            out.append(rng.choice(["", " ", "x"]) + rng.choice(added) + rng.choice(["", " ", "x", "  "]))
        elif kind < 0.65:
            out.append(rng.choice(PIECES) * rng.randint(2, 20))
        else:
            low, high = rng.choice(RANGES)
            for _ in range(rng.randint(1, 6)):
                out.append(chr(rng.randint(low, high)))
    return "".join(out)


def run(program, command, path, rows, *options):
    lines = "".join(json.dumps(r) + "\n" for r in rows)
    done = subprocess.run([program, command, "--tokenizer", path, *options], input=lines.encode(), capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command} {path}: {done.stderr.decode()[:500]}")
    return [json.loads(line) for line in done.stdout.decode().split("\n") if line]


def compare(label, name, inputs, expected, found):
    bad = [i for i, (e, f) in enumerate(zip(expected, found)) if e != f]
    for i in bad[:3]:
        print(f"  {name} {label}: {inputs[i]!r}\n    expected {expected[i]!r}\n    found    {found[i]!r}")
    return len(bad)


def check(program, name, path, count, seed):
    try:
        peer = Tokenizer.from_file(str(path))
    except Exception as wrong:  # the package raises plain Exception; what it refuses, the program must refuse
        done = subprocess.run([program, "tokenize", "--tokenizer", path], input=b"", capture_output=True, check=False)
        print(f"{name}: refused by the package ({wrong}), by the program: {done.stderr.decode().strip() or 'no'}")
        return int(done.returncode == 0), 1
    peer.no_truncation()
    peer.no_padding()
    rng = random.Random(f"{seed} {name}")
    added = [t.content for t in peer.get_added_tokens_decoder().values()]
    texts = [text(rng, added) for _ in range(count)]
    rows = [{"name": i, "text": t} for i, t in enumerate(texts)]
    ids = [peer.encode(t, add_special_tokens=False).ids for t in texts]
    bad = [compare("encode", name, texts, ids, [r["ids"] for r in run(program, "tokenize", path, rows)])]
    special = [peer.encode(t).ids for t in texts]
    bad.append(compare("encode with special", name, texts, special, [r["ids"] for r in run(program, "tokenize", path, rows, "--special")]))
    bound = max(peer.get_vocab().values()) + 3
    some = special + [[rng.randrange(bound) for _ in range(rng.randint(0, 12))] for _ in range(count)]
    rows = [{"name": i, "ids": x} for i, x in enumerate(some)]
    for skip in (False, True):
        expected = [peer.decode(x, skip_special_tokens=skip) for x in some]
        found = [r["text"] for r in run(program, "detokenize", path, rows, *(["--skip-special"] if skip else []))]
        bad.append(compare("decode, skipping special" if skip else "decode", name, some, expected, found))
    print(f"{name}: {count} texts, {len(some)} id lists; differ: encode {bad[0]}, special {bad[1]}, decode {bad[2]}, skip {bad[3]}", flush=True)
    return sum(bad), 2 * count + 2 * len(some)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("--testdata", type=pathlib.Path, default=pathlib.Path(__file__).parents[2] / "../shared/testdata")
    parser.add_argument("--texts", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    files = sorted([*args.testdata.glob("tokenizers/*/*.json"), *args.testdata.glob("tokenizers/*/*.json.gz"), *args.testdata.glob("models/*/tokenizer.json")])
    total = wrong = used = 0
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            if not (file.name.startswith("tokenizer.json") or file.parent.name == "small-fixtures"):
                continue
            name = file.stem if file.parent.name == "small-fixtures" else file.parent.name
            if args.names and name not in args.names:
                continue
            data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            if json.loads(data)["model"].get("type", "BPE") != "BPE":
                continue
            path = pathlib.Path(folder) / f"{name}.json"
            path.write_bytes(data)
            bad, cases = check(args.program, name, path, args.texts, args.seed)
            wrong, total, used = wrong + bad, total + cases, used + 1
            path.unlink()
    print(f"{used} tokenizers, {total} comparisons, {wrong} differences")
    return 1 if wrong or not used else 0


if __name__ == "__main__":
    sys.exit(main())
