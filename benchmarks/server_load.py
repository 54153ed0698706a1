#!/usr/bin/env python3
"""Load on an OpenAI-compatible chat endpoint on this machine, and what its clients see.

  benchmarks/server_load.py --port 8000 --clients 1,16 [--requests 2] [--tokens 64] [--words 64] [--json FILE]

Each client sends its requests one after another over one connection; every prompt is of other random words, so no two share more than
the template's beginning. Decoding is greedy and does not stop at the end of a turn. Per number of clients one line: output tokens per
second, time to first token (the first text of a stream, reasoning or content), the gap between texts of one stream, and latency, in milliseconds.
A token whose bytes are no whole character gives no text of its own: its gap counts for the next. `--no-stream` gives latency alone.
Bounded: each run ends after --timeout seconds. Standard library only.
"""
import argparse
import asyncio
import json
import pathlib
import random
import statistics
import time

WORDS = ("river stone paper light garden winter letter window number music history engine market friend morning bridge "
         "circle forest answer village question machine mountain summer doctor island kitchen measure ocean pattern").split()


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(p / 100 * len(ordered)))] if ordered else None


class Answer:
    def __init__(self):
        self.begin, self.texts, self.end, self.tokens = 0.0, [], 0.0, 0


async def read_body(reader, head):
    """Pieces of a body as they come."""
    fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
    if fields.get("transfer-encoding") == "chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            yield (await reader.readexactly(size + 2))[:-2]
        await reader.readline()
    else:
        yield await reader.readexactly(int(fields["content-length"]))


async def ask(reader, writer, body, stream):
    data = json.dumps(body).encode()
    out = Answer()
    out.begin = time.perf_counter()
    writer.write(f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    rest = b""
    async for piece in read_body(reader, head):
        now = time.perf_counter()
        if " 200 " not in head.split("\r\n")[0] + " ":
            raise RuntimeError(f"{head.split(chr(13))[0]}: {piece[:300]!r}")
        if not stream:
            out.tokens = json.loads(piece)["usage"]["completion_tokens"]
            continue
        *events, rest = (rest + piece).split(b"\n\n")
        for event in events:
            if not event.startswith(b"data: ") or event == b"data: [DONE]":
                continue
            chunk = json.loads(event[6:])
            if "error" in chunk:
                raise RuntimeError(str(chunk["error"]))
            if chunk.get("usage"):
                out.tokens = chunk["usage"]["completion_tokens"]
            if any(c["delta"].get("content") or c["delta"].get("reasoning") or c["delta"].get("reasoning_content") for c in chunk["choices"]):
                out.texts.append(now)
    out.end = time.perf_counter()
    return out


async def load(port, clients, requests, tokens, words, stream, seed, model=""):
    """Runs `clients` clients of `requests` requests each; gives the numbers as a dictionary."""
    source = random.Random(seed)

    def body():
        b = {"messages": [{"role": "user", "content": " ".join(source.choices(WORDS, k=words))}], "max_tokens": tokens, "temperature": 0, "ignore_eos": True}
        if stream:
            b.update(stream=True, stream_options={"include_usage": True})
        if model:
            b["model"] = model
        return b

    async def client(bodies):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        answers = []
        for i, b in enumerate(bodies):
            try:
                answers.append(await ask(reader, writer, b, stream))
            except (asyncio.IncompleteReadError, ConnectionError) as e:
                if i == 0 or getattr(e, "partial", b""):
                    raise
                writer.close()   # the server does not keep connections as long as this
                reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
                answers.append(await ask(reader, writer, b, stream))
        writer.close()
        return answers

    await client([body()])   # one to warm up
    work = [[body() for _ in range(requests)] for _ in range(clients)]
    begin = time.perf_counter()
    answers = [a for some in await asyncio.gather(*[client(b) for b in work]) for a in some]
    wall = time.perf_counter() - begin
    gaps = [(b - a) * 1e3 for x in answers for a, b in zip(x.texts, x.texts[1:])]
    first = [(x.texts[0] - x.begin) * 1e3 for x in answers if x.texts]
    took = [(x.end - x.begin) * 1e3 for x in answers]
    out = {"clients": clients, "requests": len(answers), "tokens_per_second": sum(x.tokens for x in answers) / wall, "requests_per_second": len(answers) / wall,
           "latency_p50_ms": percentile(took, 50), "latency_p99_ms": percentile(took, 99)}
    if stream:
        out.update(ttft_p50_ms=percentile(first, 50), ttft_p99_ms=percentile(first, 99), itl_p50_ms=percentile(gaps, 50), itl_p99_ms=percentile(gaps, 99),
                   itl_mean_ms=statistics.fmean(gaps) if gaps else None)   # None: no text was seen
    return out


def run(port, clients, requests, tokens, words, stream, seed, model="", timeout=600):
    return asyncio.run(asyncio.wait_for(load(port, clients, requests, tokens, words, stream, seed, model), timeout))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--port", type=int, required=True)
    p.add_argument("--model", default="", help="its name, where the server asks for one")
    p.add_argument("--clients", default="1,16")
    p.add_argument("--requests", type=int, default=2, help="of each client")
    p.add_argument("--tokens", type=int, default=64)
    p.add_argument("--words", type=int, default=64, help="of a prompt")
    p.add_argument("--no-stream", action="store_true")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--timeout", type=float, default=600)
    p.add_argument("--json", type=pathlib.Path, help="append the rows as JSON lines")
    a = p.parse_args()
    for n in map(int, a.clients.split(",")):
        row = run(a.port, n, a.requests, a.tokens, a.words, not a.no_stream, a.seed + n, a.model, a.timeout)
        print("  ".join(f"{k} {v:.1f}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()), flush=True)
        if a.json:
            with a.json.open("a") as f:
                f.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()
