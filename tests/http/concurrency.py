#!/usr/bin/env python3
"""Many streaming clients at once, some of which go away: the others must not notice.

    concurrency.py URL [--key KEY] [--clients 64] [--rounds 3] [--max-tokens 48] [--seed 1]

Each client sends a seeded request; some disconnect after a random number of chunks, some before the first. Every answer
that was read to its end must equal the same request served alone (text, token ids, log-probabilities, finish reason).
Afterwards /metrics must say that nothing runs, nothing waits and no KV page is held. Loopback only.
Prints "N passed, N failed"; exit code 0 when nothing failed.
"""
import argparse
import asyncio
import json
import random
import sys
import time
import urllib.parse
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("--key", default="none")
parser.add_argument("--clients", type=int, default=64)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--max-tokens", type=int, default=48)
parser.add_argument("--seed", type=int, default=1)
options = parser.parse_args()
where = urllib.parse.urlparse(options.url)
assert where.hostname in ("127.0.0.1", "localhost", "::1"), "loopback only"
dice = random.Random(options.seed)
shared_beginning = "You are a careful assistant who adds small numbers and greets people politely. " * 3


def make_request(i):
    text = (shared_beginning if i % 3 == 0 else "") + dice.choice(["What is 17 + 25?", "Hello!", "Say something about rivers.", "12 - 7 = ?"]) + f" ({i})"
    body = dict(messages=[{"role": "user", "content": text}], stream=True, seed=dice.randrange(2 ** 31), temperature=dice.choice([0, 0.7, 1.0]),
                max_tokens=dice.randint(4, options.max_tokens), logprobs=True, return_token_ids=True, ignore_eos=dice.random() < 0.5,
                n=dice.choice([1, 1, 1, 2]), top_p=dice.choice([1.0, 0.9]))
    if i % 4 == 3:
        body["stop"] = ["e", "\n\n"]
    return body


class Gone(Exception):
    pass


async def ask(body, leave_after=None):
    """The merged choices of one streamed answer. leave_after: closes the connection after so many events."""
    reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1 << 22)
    try:
        data = json.dumps(body).encode()
        writer.write(f"POST {where.path}/chat/completions HTTP/1.1\r\nHost: {where.hostname}\r\nAuthorization: Bearer {options.key}\r\n"
                     f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\nConnection: close\r\n\r\n".encode() + data)
        await writer.drain()
        if leave_after == 0:
            await asyncio.sleep(dice.random() * 0.05)
            raise Gone
        status = await reader.readline()
        if b" 200 " not in status:
            raise RuntimeError((status + await reader.read()).decode())
        while (await reader.readline()) not in (b"\r\n", b""):
            pass
        choices, seen, rest = {}, 0, b""
        while True:
            size = int((await reader.readline()).strip() or b"0", 16)
            if size == 0:
                raise RuntimeError("the stream ended without [DONE]")
            rest += (await reader.readexactly(size + 2))[:-2]
            *events, rest = rest.split(b"\n\n")
            for e in events:
                if e.startswith(b":"):
                    continue
                if e == b"data: [DONE]":
                    return choices
                seen += 1
                chunk = json.loads(e[6:])
                if "error" in chunk:
                    raise RuntimeError(str(chunk["error"]))
                for c in chunk["choices"]:
                    m = choices.setdefault(c["index"], dict(text="", ids=[], logprobs=[], finish=None))
                    m["text"] += (c["delta"].get("reasoning") or "") + (c["delta"].get("content") or "")
                    m["ids"] += c.get("token_ids") or []
                    m["logprobs"] += [x["logprob"] for x in (c["logprobs"] or {}).get("content") or []]
                    m["finish"] = c["finish_reason"]
                if leave_after is not None and seen >= leave_after:
                    raise Gone
    finally:
        writer.close()


async def attempt(body, leave_after):
    for _ in range(200):
        try:
            return await ask(body, leave_after)
        except Gone:
            return None
        except RuntimeError as e:
            if " 429 " not in str(e):
                raise
            await asyncio.sleep(0.05)
    raise RuntimeError("always 429")


def gauges():
    r = urllib.request.Request(options.url.removesuffix("/v1") + "/metrics", headers={"Authorization": "Bearer " + options.key})
    values = {}
    for line in urllib.request.urlopen(r, timeout=30).read().decode().splitlines():
        if not line.startswith("#"):
            key, value = line.rsplit(" ", 1)
            values[key.split("{")[0]] = float(value)
    return values


async def main():
    passed, failures, left = 0, [], 0
    requests = [make_request(i) for i in range(options.clients)]
    alone = [await attempt(body, None) for body in requests]
    for round_number in range(options.rounds):
        leaving = [dice.choice([0, 1, 2, 5, 9]) if dice.random() < 0.3 else None for _ in requests]
        answers = await asyncio.gather(*(attempt(b, l) for b, l in zip(requests, leaving)), return_exceptions=True)
        for i, (answer, reference) in enumerate(zip(answers, alone)):
            if isinstance(answer, BaseException):
                failures.append(f"round {round_number} client {i}: {answer!r}")
            elif answer is None:
                left += 1
            elif answer != reference:
                failures.append(f"round {round_number} client {i}: differs from the answer alone\n  {answer}\n  {reference}")
            else:
                passed += 1
    names = ("vllm:num_requests_running", "vllm:num_requests_waiting", "verbatim:kv_pages_used")
    until = time.time() + 10
    while any((state := gauges())[n] != 0 for n in names) and time.time() < until:
        await asyncio.sleep(0.1)
    for n in names:
        if state[n] == 0:
            passed += 1
        else:
            failures.append(f"{n} is {state[n]} after all clients have gone")
    for f in failures[:20]:
        print("FAILED", f, file=sys.stderr)
    preempted = int(state.get("vllm:num_preemptions_total", 0))
    print(f"{passed} passed, {len(failures)} failed ({left} clients left early, {preempted} preemptions)")
    sys.exit(1 if failures else 0)


asyncio.run(main())
