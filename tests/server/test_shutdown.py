#!/usr/bin/env python3
"""`verbatim serve` that is told to end lets nobody without an answer: what still runs after --drain ends as an abort does."""
import http.client
import json
import signal
import sys
import threading
import time

from running import BIN, MODEL, server, skip_all

if not (MODEL / "model.safetensors").exists():
    skip_all("the bundled model is not here: no server was started")


def ask(port, stream, said):
    """The whole answer; `said` is set once the first bytes of a stream are there."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    body = {"prompt": "Once", "max_tokens": 1900, "ignore_eos": True, "n": 32, "stream": stream}
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    text = answer.read(1)
    said.set()
    return (answer.status, (text + answer.read()).decode())   # IncompleteRead where it is cut off


with server(BIN / "verbatim", "serve", "--model", MODEL, "--port", "0", "--drain", "0") as (port, process, _):
    answers, said = {}, threading.Event()
    clients = [threading.Thread(target=lambda stream=stream, event=event: answers.__setitem__(stream, ask(port, stream, event)))
               for stream, event in ((False, threading.Event()), (True, said))]
    for client in clients:
        client.start()
    if not said.wait(60):
        sys.exit("no first token after a minute")
    time.sleep(0.2)   # both run
    process.send_signal(signal.SIGINT)
    for client in clients:
        client.join(30)
    if process.wait(30) != 0:
        sys.exit(f"exit code {process.returncode} after SIGINT")
    status, text = answers[False]
    reasons = [choice["finish_reason"] for choice in json.loads(text)["choices"]]
    assert status == 200 and len(reasons) == 32 and "abort" in reasons and set(reasons) <= {"abort", "length"}, (status, reasons)
    status, text = answers[True]
    events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    ended = [choice["finish_reason"] for event in events[:-1] for choice in json.loads(event)["choices"] if choice["finish_reason"]]
    assert status == 200 and events[-1] == "[DONE]" and len(ended) == 32 and "abort" in ended, (status, events[-3:], ended)
    print(f"{reasons.count('abort')} and {ended.count('abort')} of 32 continuations were ended")
    sys.exit(0)   # the server has ended already
