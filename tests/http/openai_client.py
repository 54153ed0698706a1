#!/usr/bin/env python3
"""The official openai client against a running server, streamed and not, every parameter that the server offers.

    openai_client.py URL [--key KEY] [--scripted]      URL ends in /v1, on a loopback address

Every answer is validated twice: by the client itself in strict mode, and from the raw bytes against the client's types
without coercion; keys beyond OpenAI's must be among those that this server documents. --scripted: the engine is the
scripted one, which does not sample; checks of sampling are then skipped, with a count.
Prints "N passed, N failed, N skipped"; exit code 0 when nothing failed.
"""
import argparse
import json
import math
import sys
import traceback
import urllib.parse

import openai

try:
    import httpx as http_module
except ImportError:  # what newer clients depend on
    import httpx2 as http_module

from openai.types import Completion, Model
from openai.types.chat import ChatCompletion, ChatCompletionChunk

EXTRA_CHAT = {"prompt_token_ids", "prompt_logprobs"}
EXTRA_CHOICE = {"stop_reason", "token_ids", "prompt_token_ids", "prompt_logprobs"}

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("--key", default="none")
parser.add_argument("--scripted", action="store_true")
options = parser.parse_args()
assert urllib.parse.urlparse(options.url).hostname in ("127.0.0.1", "localhost", "::1"), "loopback only"

client = openai.OpenAI(base_url=options.url, api_key=options.key, max_retries=0, timeout=120, _strict_response_validation=False)
root = options.url.removesuffix("/v1")
http = http_module.Client(headers={"Authorization": "Bearer " + options.key}, timeout=120)
tests = []


def test(f):
    tests.append((f, False))
    return f


def sampling_test(f):
    tests.append((f, True))
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
        extras(choice.message if kind is ChatCompletion else choice.delta, "message", set())
        for entry in (choice.logprobs.content if choice.logprobs else None) or []:
            extras(entry, "logprob", set())
            check_logprob(entry.logprob)
            for top in entry.top_logprobs:
                check_logprob(top.logprob)
    assert model.id.startswith("chatcmpl-") and model.system_fingerprint.startswith("fp_")
    return model


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
            m = merged.setdefault(c["index"], dict(content="", logprobs=[], ids=[], finish=None, stop=None, deltas=0, roles=0))
            assert m["finish"] is None, "a chunk after the finish reason"
            if m["deltas"] == 0:
                same(c["delta"], {"role": "assistant", "content": ""})
            m["roles"] += "role" in c["delta"]
            m["deltas"] += 1
            m["content"] += c["delta"].get("content") or ""
            m["logprobs"] += (c["logprobs"] or {}).get("content") or []
            m["ids"] += c.get("token_ids") or []
            m["finish"], m["stop"] = c["finish_reason"], c.get("stop_reason")
            if m["finish"]:
                same(c["delta"], {})
    assert all(m["finish"] and m["roles"] == 1 for m in merged.values())
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


# ---------------------------------------------------------------- tests

@test
def models():
    listed = client.models.list()
    same([m.id for m in listed.data], [name])
    Model.model_validate(http.get(options.url + "/models/" + name).json(), strict=True)
    same(client.models.retrieve(name).id, name)
    try:
        client.models.retrieve("nobody")
        assert False
    except openai.NotFoundError as e:
        same(e.code, "model_not_found")


@test
def introspection():
    same(http.get(root + "/health").status_code, 200)
    assert http.get(root + "/version").json()["version"]
    text = http.get(root + "/metrics").text
    for metric in ("vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc", "vllm:prompt_tokens_total",
                   "vllm:generation_tokens_total", "vllm:request_success_total", "vllm:time_to_first_token_seconds_bucket",
                   "vllm:inter_token_latency_seconds_sum", "vllm:e2e_request_latency_seconds_count", "vllm:num_preemptions_total",
                   "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total"):
        assert metric + "{" in text, metric
    for line in text.splitlines():
        if not line.startswith("#"):
            float(line.rsplit(" ", 1)[1])


@test
def chat_plain():
    answer, raw = chat(max_tokens=8, temperature=0)
    same(raw["object"], "chat.completion")
    assert answer.usage.completion_tokens <= 8 and answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.choices[0].message.role == "assistant" and answer.choices[0].message.content is not None
    assert answer.choices[0].logprobs is None


@test
def chat_client_stream():
    pieces = []
    with client.chat.completions.create(**user("Hello there"), stream=True, max_tokens=12, seed=4, stream_options={"include_usage": True}) as s:
        last = None
        for chunk in s:
            pieces += [c.delta.content or "" for c in chunk.choices]
            last = chunk
    assert last.usage and not last.choices
    same("".join(pieces), chat(max_tokens=12, seed=4)[0].choices[0].message.content)


@test
def chat_stream_equals_whole():
    for kw in (dict(seed=1, max_tokens=24), dict(seed=2, max_tokens=24, n=3), dict(temperature=0, max_tokens=5),
               dict(seed=3, max_tokens=40, logprobs=True, top_logprobs=3, extra_body={"return_token_ids": True})):
        whole, raw = chat(**kw)
        merged, usage, _ = chat_stream(**kw, stream_options={"include_usage": True})
        same(len(usage), 1)
        same({k: v for k, v in usage[0]["usage"].items() if k.endswith("_tokens")}, {k: v for k, v in raw["usage"].items() if k.endswith("_tokens")})
        for c in raw["choices"]:
            m = merged[c["index"]]
            same(m["content"], c["message"]["content"])
            same(m["finish"], c["finish_reason"])
            same(m["stop"], c["stop_reason"])
            same(m["logprobs"], (c["logprobs"] or {}).get("content") or [])
            same(m["ids"], c.get("token_ids") or [])
            if c.get("token_ids"):
                same(len(m["logprobs"]), len(m["ids"]))


@test
def every_max_tokens_stream_equals_whole():
    for limit in range(1, 20):
        raw = chat(seed=11, max_tokens=limit)[1]["choices"][0]
        m = chat_stream(seed=11, max_tokens=limit)[0][0]
        same((m["content"], m["finish"]), (raw["message"]["content"], raw["finish_reason"]))


@test
def chat_logprobs():
    answer, raw = chat(max_tokens=10, seed=5, logprobs=True, top_logprobs=2, extra_body={"return_token_ids": True})
    entries = raw["choices"][0]["logprobs"]["content"]
    same(len(entries), raw["usage"]["completion_tokens"])
    for e in entries:
        same(len(e["top_logprobs"]), 2)
        assert e["top_logprobs"][0]["logprob"] >= e["top_logprobs"][1]["logprob"]
    spelled = bytes(b for e in entries for b in e["bytes"])
    assert spelled.decode("utf-8", "replace").startswith(raw["choices"][0]["message"]["content"][:3])
    same(chat(max_tokens=4, seed=5, logprobs=True)[1]["choices"][0]["logprobs"]["content"][0]["top_logprobs"], [])
    named = chat(max_tokens=10, seed=5, logprobs=True, extra_body={"return_tokens_as_token_ids": True, "return_token_ids": True})[1]["choices"][0]
    same([e["token"] for e in named["logprobs"]["content"]], [f"token_id:{i}" for i in named["token_ids"]])
    same(named["token_ids"], raw["choices"][0]["token_ids"])


@test
def logprobs_in_chunks():
    _, _, events = chat_stream(seed=6, max_tokens=20, logprobs=True, return_token_ids=True)
    for e in events:
        for c in e["choices"]:
            same(len((c["logprobs"] or {}).get("content") or []), len(c.get("token_ids") or []))
    assert "prompt_token_ids" in events[0] and all("prompt_token_ids" not in e for e in events[1:])


@test
def token_ids():
    raw = chat(max_tokens=6, seed=8, extra_body={"return_token_ids": True})[1]
    asked = http.post(root + "/tokenize", json=user("Hello there")).json()
    same(raw["prompt_token_ids"], asked["tokens"])
    same(raw["usage"]["prompt_tokens"], asked["count"])
    same(len(raw["choices"][0]["token_ids"]), raw["usage"]["completion_tokens"])
    again = complete(raw["prompt_token_ids"], max_tokens=6, seed=8, extra_body={"return_token_ids": True})[1]["choices"][0]
    same(again["token_ids"], raw["choices"][0]["token_ids"])
    same(again["prompt_token_ids"], raw["prompt_token_ids"])


@test
def seeds():
    same(chat(seed=7, max_tokens=16)[0].choices[0].message.content, chat(seed=7, max_tokens=16)[0].choices[0].message.content)
    texts = {chat(max_tokens=24, temperature=2)[0].choices[0].message.content for _ in range(6)}
    assert len(texts) > 1, "without a seed answers are drawn anew"
    choices = chat(seed=7, n=4, max_tokens=24, temperature=2)[0].choices
    same([c.index for c in choices], [0, 1, 2, 3])
    assert len({c.message.content for c in choices}) > 1
    whole = [c.message.content for c in choices]
    same(whole, [c.message.content for c in chat(seed=7, n=4, max_tokens=24, temperature=2)[0].choices])


@test
def stop_strings():
    text = complete(seed=9, max_tokens=30)[1]["choices"][0]["text"]
    assert len(text) >= 6
    word = text[3:6]
    first = text.find(word)
    for streamed in (False, True):
        def ask(**kw):
            if streamed:
                m = completion_stream(seed=9, max_tokens=30, **kw)[0][0]
                return m["text"], m["finish"]
            c = complete(seed=9, max_tokens=30, **kw)[1]["choices"][0]
            same(c["stop_reason"], word)
            return c["text"], c["finish_reason"]
        same(ask(stop=word), (text[:first], "stop"))
        same(ask(stop=["\x01never", word]), (text[:first], "stop"))
        kept = dict(stop=[word], include_stop_str_in_output=True)
        same(ask(**(kept if streamed else dict(stop=[word], extra_body={"include_stop_str_in_output": True}))), (text[:first + 3], "stop"))
    c = complete(seed=9, max_tokens=30, stop="\x01never")[1]["choices"][0]
    same(c["text"], text)


@test
def stop_tokens():
    ids = complete(seed=9, max_tokens=30, extra_body={"return_token_ids": True, "ignore_eos": True})[1]["choices"][0]["token_ids"]
    same(len(ids), 30)
    target = ids[5]
    c = complete(seed=9, max_tokens=30, extra_body={"return_token_ids": True, "stop_token_ids": [target], "ignore_eos": True})[1]["choices"][0]
    same(c["token_ids"], ids[:ids.index(target) + 1])
    same((c["finish_reason"], c["stop_reason"]), ("stop", target))


@test
def lengths():
    same(complete(max_tokens=3, seed=1, extra_body={"ignore_eos": True})[0].usage.completion_tokens, 3)
    same(complete(max_tokens=3, seed=1, extra_body={"ignore_eos": True})[0].choices[0].finish_reason, "length")
    same(complete(seed=1, extra_body={"ignore_eos": True})[0].usage.completion_tokens, 16)
    same(chat(max_tokens=9, max_completion_tokens=2, extra_body={"ignore_eos": True})[0].usage.completion_tokens, 2)
    answer = chat(max_tokens=40, seed=1, extra_body={"min_tokens": 40})[0]
    same(answer.usage.completion_tokens, 40)


@test
def completion_kinds():
    one = complete("Hello", max_tokens=4, seed=1)[1]
    same(one["object"], "text_completion")
    two = complete(["Hello", "World"], max_tokens=4, seed=1, n=2)[1]
    same([c["index"] for c in two["choices"]], [0, 1, 2, 3])
    same(two["choices"][0]["text"], one["choices"][0]["text"])
    ids = http.post(root + "/tokenize", json={"prompt": "Hello"}).json()["tokens"]
    same(complete(ids, max_tokens=4, seed=1)[1]["choices"][0]["text"], one["choices"][0]["text"])
    lists = complete([ids, ids], max_tokens=4, seed=1)[1]
    same([c["text"] for c in lists["choices"]], [one["choices"][0]["text"]] * 2)
    bare = complete("Hello", max_tokens=1, extra_body={"add_special_tokens": False, "return_token_ids": True})[1]["choices"][0]["prompt_token_ids"]
    same(bare, http.post(root + "/tokenize", json={"prompt": "Hello", "add_special_tokens": False}).json()["tokens"])


@test
def completion_stream_equals_whole():
    for kw in (dict(seed=1, max_tokens=20), dict(seed=2, max_tokens=12, n=2, logprobs=2), dict(seed=3, max_tokens=9, echo=True, logprobs=1),
               dict(seed=4, max_tokens=9, echo=True, extra_body={"return_token_ids": True})):
        for prompt in ("Once upon a time", ["One", "Two größer 数字"]):
            raw = complete(prompt, **kw)[1]
            merged, usage, _ = completion_stream(prompt, **kw, stream_options={"include_usage": True})
            same(usage[0]["usage"], raw["usage"])
            for c in raw["choices"]:
                m = merged[c["index"]]
                same(m["text"], c["text"])
                same(m["finish"], c["finish_reason"])
                same(m["ids"], c.get("token_ids") or [])
                for k in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
                    same(m[k], (c["logprobs"] or {}).get(k) or [])


@test
def echo_and_offsets():
    prompt = "Two größer 数字 🙂 x"
    raw = complete(prompt, echo=True, logprobs=1, max_tokens=6, seed=2, extra_body={"return_token_ids": True})[1]
    c = raw["choices"][0]
    assert c["text"].startswith(prompt)
    l = c["logprobs"]
    same(len(l["tokens"]), raw["usage"]["prompt_tokens"] + raw["usage"]["completion_tokens"])
    same(l["token_logprobs"][0], None)
    assert all(v is not None for v in l["token_logprobs"][1:])
    for token, offset in zip(l["tokens"], l["text_offset"]):
        if not token.startswith("bytes:") and token.strip() and token in c["text"]:
            assert c["text"][offset:].startswith(token) or c["text"][offset:].startswith(token.strip()), (token, offset, c["text"])
    scored = complete(prompt, echo=True, logprobs=1, max_tokens=0)[1]
    same(scored["choices"][0]["text"], prompt)
    same(scored["choices"][0]["finish_reason"], "length")
    same(scored["choices"][0]["logprobs"]["token_logprobs"], l["token_logprobs"][:raw["usage"]["prompt_tokens"]])
    same(scored["usage"]["completion_tokens"], 0)


@test
def prompt_logprobs():
    raw = complete("One two three", max_tokens=1, echo=True, logprobs=2, extra_body={"prompt_logprobs": 2, "return_token_ids": True})[1]["choices"][0]
    p = raw["prompt_logprobs"]
    same(len(p), len(raw["prompt_token_ids"]))
    same(p[0], None)
    for i, entry in enumerate(p[1:], 1):
        own = entry[str(raw["prompt_token_ids"][i])]
        same(own["logprob"], raw["logprobs"]["token_logprobs"][i])
        assert 2 <= len(entry) <= 3 and own["rank"] >= 1
    body = chat(max_tokens=1, extra_body={"prompt_logprobs": 0, "return_token_ids": True})[1]
    same(len(body["prompt_logprobs"]), len(body["prompt_token_ids"]))
    refused(400, "prompt_logprobs", **user("x", stream=True, prompt_logprobs=1))


@test
def usage_options():
    _, usage, events = chat_stream(max_tokens=5, seed=1, stream_options={"include_usage": True})
    same(len(usage), 1)
    assert all(e["usage"] is None for e in events if e["choices"])
    _, usage, events = chat_stream(max_tokens=5, seed=1, stream_options={"include_usage": True, "continuous_usage_stats": True})
    counts = [e["usage"]["completion_tokens"] for e in events]
    assert counts == sorted(counts) and counts[-1] > 0
    _, usage, events = chat_stream(max_tokens=5, seed=1)
    assert not usage and all("usage" not in e for e in events)
    refused(400, "stream_options", **user("x", stream_options={"include_usage": True}))


@test
def request_ids():
    r = http.post(options.url + "/chat/completions", json=user("x", max_tokens=1), headers={"X-Request-Id": "abc-1"})
    same((r.headers["x-request-id"], r.json()["id"]), ("abc-1", "chatcmpl-abc-1"))
    r = http.post(options.url + "/chat/completions", json=user("x", max_tokens=1, request_id="body-2"))
    same(r.json()["id"], "chatcmpl-body-2")
    refused(400, "request_id", **user("x", request_id="a\r\nb"))


@test
def messages_and_templates():
    parts = [{"type": "text", "text": "Hello"}, {"type": "text", "text": "there"}]
    a = http.post(root + "/tokenize", json=dict(messages=[{"role": "user", "content": parts}])).json()["tokens"]
    b = http.post(root + "/tokenize", json=dict(messages=[{"role": "user", "content": "Hello\nthere"}])).json()["tokens"]
    same(a, b)
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hel"}]
    client.chat.completions.create(model=name, messages=talk, max_tokens=2, extra_body={"continue_final_message": True, "add_generation_prompt": False})
    x = http.post(root + "/tokenize", json=dict(messages=talk, continue_final_message=True)).json()["tokens"]
    y = http.post(root + "/tokenize", json=dict(messages=talk, add_generation_prompt=True)).json()["tokens"]
    z = http.post(root + "/tokenize", json=dict(messages=talk, add_generation_prompt=False)).json()["tokens"]
    assert len(x) < len(z) < len(y)
    chat(max_tokens=2, extra_body={"chat_template_kwargs": {"enable_thinking": False}})
    chat(max_tokens=2, reasoning_effort="low")
    refused(400, **user("x", continue_final_message=True, add_generation_prompt=True))
    refused(400, "chat_template", "unsupported_parameter", **user("x", chat_template="{{ 1 }}"))
    refused(400, "chat_template_kwargs.messages", **user("x", chat_template_kwargs={"messages": []}))


@test
def tools():
    tool = {"type": "function", "function": {"name": "look_up", "description": "Looks up.", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}}}
    plain = http.post(root + "/tokenize", json=user("x")).json()["count"]
    shown = http.post(root + "/tokenize", json=user("x", tools=[tool])).json()["count"]
    assert shown > plain, "tools are rendered"
    chat(max_tokens=3, tools=[tool])
    chat(max_tokens=3, tools=[tool], tool_choice="auto", parallel_tool_calls=True)
    chat(max_tokens=3, tools=[tool], tool_choice="none")
    talk = [{"role": "user", "content": "q?"},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": "{\"q\": \"a\"}"}}]},
            {"role": "tool", "tool_call_id": "c1", "content": "b"}]
    client.chat.completions.create(model=name, messages=talk, tools=[tool], max_tokens=2)
    refused(400, "tool_choice", **user("x", tools=[tool], tool_choice="required"))
    refused(400, "tool_choice", **user("x", tools=[tool], tool_choice={"type": "function", "function": {"name": "look_up"}}))
    refused(400, "tool_choice", **user("x", tool_choice="auto"))
    refused(400, "tools", **user("x", tools=[]))
    refused(400, "tools.0.function.name", **user("x", tools=[{"type": "function", "function": {"name": "a b"}}]))
    bad = [talk[0], {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}]}]
    refused(400, "messages.1.tool_calls.0.function.arguments", model=name, messages=bad)


@test
def tokenize():
    r = http.post(root + "/tokenize", json={"prompt": "Hello 数字"}).json()
    same(set(r), {"count", "max_model_len", "tokens", "token_strs"})
    same((r["count"], r["token_strs"]), (len(r["tokens"]), None))
    s = http.post(root + "/v1/tokenize", json={"model": name, "prompt": "Hello 数字", "return_token_strs": True}).json()
    same(len(s["token_strs"]), r["count"])
    plain = http.post(root + "/tokenize", json={"prompt": "Hello 数字", "add_special_tokens": False}).json()["tokens"]
    same(http.post(root + "/detokenize", json={"tokens": plain}).json()["prompt"], "Hello 数字")
    same(http.post(root + "/v1/detokenize", json={"tokens": plain}).json()["text"], "Hello 数字")
    same(set(http.post(root + "/tokenize", json={"content": "Hello"}).json()), {"tokens"})
    same(http.post(root + "/detokenize", json={"tokens": [10 ** 9]}).status_code, 400)
    same(http.post(root + "/tokenize", json={}).status_code, 400)


@test
def accepted_parameters():
    chat(max_tokens=3, temperature=0.5, top_p=0.9, frequency_penalty=0.5, presence_penalty=-0.5, seed=1, user="u", metadata={"a": "b"},
         store=False, service_tier="auto", logit_bias={"5": 1.5}, response_format={"type": "text"}, modalities=["text"],
         extra_body={"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1, "bad_words": ["foo"], "skip_special_tokens": False,
                     "add_special_tokens": False, "spaces_between_special_tokens": True, "priority": 0, "top_p": None, "stop": None})
    r = http.post(options.url + "/chat/completions", json=user("x", max_tokens=1, no_such_thing=1))
    same(r.status_code, 200)
    assert "no_such_thing" in r.headers["warning"]


@test
def refused_parameters():
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {}}}
    for field, value in (("response_format", {"type": "json_object"}), ("response_format", schema), ("structured_outputs", {"json": {}}),
                         ("guided_json", {}), ("prompt_embeds", "AA"), ("use_beam_search", True), ("allowed_token_ids", [1]),
                         ("truncate_prompt_tokens", 5), ("cache_salt", "x"), ("thinking_token_budget", 5), ("echo", True), ("priority", 3),
                         ("modalities", ["audio"]), ("logits_processors", ["x"]), ("functions", [])):
        refused(400, field, "unsupported_parameter", **user("x", **{field: value}))
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/"}}]}]
    refused(400, "messages.0.content.0.type", "unsupported_content", messages=image, model=name)


@test
def wrong_values():
    for field, values in dict(temperature=[-1, 2.5, "1", True, []], top_p=[0, 1.1, "x"], top_k=[-2, 1.5], min_p=[-0.1, 2], n=[0, 129, 1.5, "1"],
                              max_tokens=[0, -1, 2 ** 40, "5"], max_completion_tokens=[0], frequency_penalty=[3], presence_penalty=[-3],
                              repetition_penalty=[0, -1], seed=["a", 1.5, 2 ** 70], stream=["yes", 1], logprobs=[1, "true"], top_logprobs=[-1, 21],
                              stop=[5], stop_token_ids=["a", 5], ignore_eos=["x"], min_tokens=[-1], logit_bias=[[], 3],
                              bad_words=["x"], messages=[[], "x", {}], tools=["x"], chat_template_kwargs=[[]], model=[5]).items():
        for value in values:
            refused(400, field, **dict(user("x"), **{field: value}))
    for field, value, at in (("stop", [""], "stop.0"), ("stop_token_ids", [10 ** 9], "stop_token_ids.0"), ("stop_token_ids", [-1], "stop_token_ids.0"),
                             ("logit_bias", {"x": 1}, "logit_bias.x"), ("logit_bias", {"1": 101}, "logit_bias.1"), ("bad_words", [""], "bad_words.0"),
                             ("messages", [5], "messages.0"), ("messages", [{"role": "x", "content": "y"}], "messages.0.role"),
                             ("messages", [{"role": "user"}], "messages.0.content"), ("messages", [{"role": "tool", "content": "x"}], "messages.0.tool_call_id")):
        refused(400, at, **dict(user("x"), **{field: value}))
    refused(400, "top_logprobs", **user("x", top_logprobs=2))
    refused(400, "min_tokens", **user("x", min_tokens=5, max_tokens=2))
    refused(404, "model", "model_not_found", model="nobody", messages=[{"role": "user", "content": "x"}])
    refused(400, "messages", "context_length_exceeded", **user("x", max_tokens=2 ** 31 - 1))
    for prompt in ("", [], [[]], [-1], [10 ** 9], [1.5], 5, {}, [["a"]], ["a", 1]):
        refused(400, path="/completions", model=name, prompt=prompt)
    refused(400, "prompt", "context_length_exceeded", path="/completions", model=name, prompt="x", max_tokens=2 ** 31 - 1)
    refused(400, "max_tokens", path="/completions", model=name, prompt="x", max_tokens=0)
    refused(400, "best_of", path="/completions", model=name, prompt="x", best_of=3)
    refused(400, "suffix", path="/completions", model=name, prompt="x", suffix="y")
    report = refused(400, **user("x", temperature=9, n=0, top_p=7, seed="s" * 100000, stop_token_ids=["x"] * 200))
    assert len(report["message"]) < 8000


@test
def client_errors():
    try:
        client.chat.completions.create(**user("x"), temperature=9)
        assert False
    except openai.BadRequestError as e:
        same((e.param, e.type), ("temperature", "invalid_request_error"))


# ---------------------------------------------------------------- what only a sampling engine does

@sampling_test
def greedy_repeats():
    a = complete(temperature=0, max_tokens=12, extra_body={"return_token_ids": True})[1]["choices"][0]["token_ids"]
    for kw in (dict(top_k=1, seed=3), dict(top_p=1e-6, seed=4), dict(min_p=1.0, seed=5)):
        same(complete(temperature=1, max_tokens=12, extra_body=dict(kw, return_token_ids=True))[1]["choices"][0]["token_ids"], a)


@sampling_test
def bias_and_bad_words():
    ids = complete(temperature=0, max_tokens=4, extra_body={"return_token_ids": True, "ignore_eos": True})[1]["choices"][0]["token_ids"]
    other = (ids[0] + 7) % 300
    forced = complete(temperature=0, max_tokens=4, logit_bias={str(other): 100}, extra_body={"return_token_ids": True, "ignore_eos": True})[1]["choices"][0]
    same(forced["token_ids"], [other] * 4)
    banned = complete(temperature=0, max_tokens=4, logit_bias={str(ids[0]): -100}, extra_body={"return_token_ids": True, "ignore_eos": True})[1]["choices"][0]
    assert banned["token_ids"][0] != ids[0]
    text = complete(temperature=0, max_tokens=20)[1]["choices"][0]["text"]
    words = [w for w in text.split() if w.isalpha()]
    if words:
        again = complete(temperature=0, max_tokens=20, extra_body={"bad_words": [words[0]]})[1]["choices"][0]["text"]
        assert again != text


@sampling_test
def logprobs_are_of_the_distribution_sampled_from():
    e = complete(temperature=0, max_tokens=1, logprobs=5)[1]["choices"][0]["logprobs"]
    values = list(e["top_logprobs"][0].values())
    same(values, sorted(values, reverse=True))
    assert sum(math.exp(v) for v in values) <= 1.0001


@sampling_test
def output_scored_as_prompt():
    plain = {"return_token_ids": True, "ignore_eos": True, "top_k": 0, "min_p": 0, "repetition_penalty": 1}  # the model's own distribution
    c = complete("Once", max_tokens=8, temperature=1, top_p=1, seed=1, logprobs=0, extra_body=plain)[1]["choices"][0]
    all_ids = c["prompt_token_ids"] + c["token_ids"]
    scored = complete(all_ids, echo=True, logprobs=0, max_tokens=0)[1]["choices"][0]["logprobs"]["token_logprobs"]
    same(scored[len(c["prompt_token_ids"]):], c["logprobs"]["token_logprobs"])


name = client.models.list().data[0].id
passed = failed = skipped = 0
for f, sampled in tests:
    if sampled and options.scripted:
        skipped += 1
        continue
    try:
        f()
        passed += 1
    except Exception:
        failed += 1
        print("FAILED", f.__name__, file=sys.stderr)
        traceback.print_exc(limit=-3)
print(f"{passed} passed, {failed} failed, {skipped} skipped")
sys.exit(1 if failed else 0)
