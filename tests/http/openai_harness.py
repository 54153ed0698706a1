"""What the checks of openai_client.py share: the client, strict validation, streams put together again."""
import argparse
import json
import math
import urllib.parse

import openai

try:
    import httpx as http_module
except ImportError:  # what newer clients depend on
    import httpx2 as http_module

from openai.types import Completion, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

EXTRA_CHAT = {"prompt_token_ids", "prompt_logprobs", "prompt_weight_version"}
EXTRA_MESSAGE = {"reasoning", "reasoning_content"}
EXTRA_CHOICE = {"stop_reason", "token_ids", "prompt_token_ids", "prompt_logprobs", "prompt_weight_version", "weight_versions", "forced_tokens"}

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("--key", default="none")
parser.add_argument("--scripted", action="store_true")
options = parser.parse_args()
assert urllib.parse.urlparse(options.url).hostname in ("127.0.0.1", "localhost", "::1"), "loopback only"

client = openai.OpenAI(base_url=options.url, api_key=options.key, max_retries=0, timeout=120, _strict_response_validation=True)
root = options.url.removesuffix("/v1")
http = http_module.Client(headers={"Authorization": "Bearer " + options.key}, timeout=120)
tests = []


def test(f):
    tests.append((f, True))
    return f


def sampling_test(f):
    tests.append((f, not options.scripted))
    return f


def scripted_test(f):
    tests.append((f, options.scripted))
    return f


def same(a, b):
    assert a == b, f"{a!r} != {b!r}"


# ---------------------------------------------------------------- strict validation

def extras(value, path, allowed):
    """Keys that the client's types do not know."""
    for name in value.model_extra or {}:
        assert name in allowed, f"{path}: unexpected key {name}"


def check_chat(raw, kind):
    model = kind.model_validate(raw, strict=True)
    extras(model, "body", EXTRA_CHAT)
    for choice in model.choices:
        extras(choice, "choice", EXTRA_CHOICE)
        message = choice.message if kind is ChatCompletion else choice.delta
        extras(message, "message", EXTRA_MESSAGE)
        reasoning = message.model_extra.get("reasoning")
        assert reasoning == message.model_extra.get("reasoning_content") and reasoning != ""
        for entry in (choice.logprobs.content if choice.logprobs else None) or []:
            extras(entry, "logprob", set())
            check_logprob(entry.logprob)
            for top in entry.top_logprobs:
                check_logprob(top.logprob)
    assert model.id.startswith("chatcmpl-") and model.system_fingerprint.startswith("fp_")
    return model


def said(message):
    """All that a message says, whichever part of it the server calls what."""
    calls = [call["function"] for call in message.get("tool_calls") or []]
    return (message.get("reasoning") or "") + (message.get("content") or "") + "".join(c["name"] + c["arguments"] for c in calls)


def check_logprob(x):
    assert isinstance(x, float) and -9999.0 <= x <= 1e-6 and math.isfinite(x), x


def check_completion(raw, chunk=False):
    raw = json.loads(json.dumps(raw))
    for choice in raw["choices"]:
        logprobs = choice["logprobs"]
        if logprobs:  # with echo, the first token has none: OpenAI's own API sends null where its types say float
            n = len(logprobs["tokens"])
            assert all(len(logprobs[k]) == n for k in ("token_logprobs", "top_logprobs", "text_offset"))
            assert logprobs["text_offset"] == sorted(logprobs["text_offset"])
            for i, value in enumerate(logprobs["token_logprobs"]):
                if value is None:
                    assert i == 0 and logprobs["top_logprobs"][0] is None
                    logprobs["token_logprobs"][0], logprobs["top_logprobs"][0] = 0.0, {}
                else:
                    check_logprob(value)
        if chunk and choice["finish_reason"] is None:  # null in chunks, again against the types
            choice["finish_reason"] = "stop"
    model = Completion.model_validate(raw, strict=True)
    extras(model, "body", set())
    for choice in model.choices:
        extras(choice, "choice", EXTRA_CHOICE)
    assert model.id.startswith("cmpl-")
    return model


def user(text, **extra):
    return dict(messages=[{"role": "user", "content": text}], model=name, **extra)


def chat(text="Hello there", **kw):
    answer = client.chat.completions.with_raw_response.create(**user(text), **kw)
    raw = json.loads(answer.text() if callable(answer.text) else answer.text)
    return check_chat(raw, ChatCompletion), raw


def complete(prompt="Once upon a time", **kw):
    answer = client.completions.with_raw_response.create(model=name, prompt=prompt, **kw)
    raw = json.loads(answer.text() if callable(answer.text) else answer.text)
    return check_completion(raw), raw


def frames(path, body):
    """The raw events of a stream: [json…], checked for framing."""
    with http.stream("POST", options.url + path, json=dict(body, stream=True)) as r:
        same(r.status_code, 200)
        same(r.headers["content-type"], "text/event-stream; charset=utf-8")
        same(r.headers["cache-control"], "no-cache")
        text = b"".join(r.iter_bytes()).decode("utf-8")  # strict: a split code point would have failed in a chunk already
    events = [e for e in text.split("\n\n") if e and not e.startswith(":")]
    assert all(e.startswith("data: ") and "\n" not in e for e in events), text[-400:]
    same(events[-1], "data: [DONE]")
    return [json.loads(e[6:]) for e in events[:-1]]


def chat_stream(text="Hello there", **kw):
    kw.update(kw.pop("extra_body", {}))
    body = user(text, **kw)
    events = frames("/chat/completions", body)
    for e in events:
        check_chat(e, ChatCompletionChunk)
    for field in ("id", "created", "model", "object"):
        same(len({e[field] for e in events}), 1)
    usage = [e for e in events if not e["choices"]]
    merged = {}
    for e in events:
        for c in e["choices"]:
            m = merged.setdefault(c["index"], dict(content="", reasoning="", tool_calls=[], logprobs=[], ids=[], finish=None, stop=None, deltas=0, roles=0))
            assert m["finish"] is None, "a chunk after the finish reason"
            assert len(c["delta"].keys() - {"role", "reasoning_content"}) <= 1, c["delta"]
            if m["deltas"] == 0:
                same(c["delta"], {"role": "assistant", "content": ""})
            m["roles"] += "role" in c["delta"]
            m["deltas"] += 1
            assert not (c["delta"].get("reasoning") and (m["content"] or m["tool_calls"])), "reasoning comes first"
            m["reasoning"] += c["delta"].get("reasoning") or ""
            m["content"] += c["delta"].get("content") or ""
            for call in c["delta"].get("tool_calls") or []:
                same(call.pop("index"), len(m["tool_calls"]))
                m["tool_calls"].append(call)
            m["logprobs"] += (c["logprobs"] or {}).get("content") or []
            m["ids"] += c.get("token_ids") or []
            m["finish"], m["stop"] = c["finish_reason"], c.get("stop_reason")
            if m["finish"]:
                same(c["delta"], {})
    assert all(m["finish"] and m["roles"] == 1 for m in merged.values())
    for m in merged.values():  # as in a whole answer
        m["message"] = dict(role="assistant", content=m["content"], refusal=None)
        if m["reasoning"]:
            m["message"].update(reasoning=m["reasoning"], reasoning_content=m["reasoning"])
        if m["tool_calls"]:
            m["message"].update(tool_calls=m["tool_calls"], content=m["content"] or None)
    return merged, usage, events


def completion_stream(prompt="Once upon a time", **kw):
    kw.update(kw.pop("extra_body", {}))
    events = frames("/completions", dict(kw, prompt=prompt, model=name))
    merged = {}
    for e in events:
        check_completion(e, chunk=True)
        for c in e["choices"]:
            m = merged.setdefault(c["index"], dict(text="", ids=[], finish=None, tokens=[], token_logprobs=[], top_logprobs=[], text_offset=[]))
            assert m["finish"] is None
            m["text"] += c["text"]
            m["ids"] += c.get("token_ids") or []
            m["finish"] = c["finish_reason"]
            for k in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
                m[k] += (c["logprobs"] or {}).get(k) or []
    return merged, [e for e in events if not e["choices"]], events


def refused(status, param=None, code=None, path="/chat/completions", **body):
    r = http.post(options.url + path, json=body)
    same(r.status_code, status)
    e = r.json()
    same(set(e), {"error"})
    same(set(e["error"]), {"message", "type", "param", "code"})
    assert isinstance(e["error"]["message"], str) and len(r.content) < 16384
    assert e["error"]["code"] is None or isinstance(e["error"]["code"], str)
    if param:
        same(e["error"]["param"], param)
    if code:
        same(e["error"]["code"], code)
    return e["error"]


name = client.models.list().data[0].id
