"""Answers: models, chat and completions, streamed and whole, log-probabilities, ids, stops, usage."""
from openai_harness import *  # noqa: F403


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
    pieces = {"reasoning": "", "content": ""}
    with client.chat.completions.create(**user("Hello there"), stream=True, max_tokens=12, seed=4, stream_options={"include_usage": True}) as s:
        last = None
        for chunk in s:
            for c in chunk.choices:
                for part in pieces:
                    pieces[part] += getattr(c.delta, part, None) or ""
            last = chunk
    assert last.usage and not last.choices
    same(pieces["reasoning"] + pieces["content"], said(chat(max_tokens=12, seed=4)[1]["choices"][0]["message"]))


@test
def chat_stream_equals_whole():
    for kw in (dict(seed=1, max_tokens=24), dict(seed=2, max_tokens=24, n=3), dict(temperature=0, max_tokens=5),
               dict(seed=3, max_tokens=40, logprobs=True, top_logprobs=3, extra_body={"return_token_ids": True})):
        whole, raw = chat(**kw)
        merged, usage, _ = chat_stream(**kw, stream_options={"include_usage": True})
        same(len(usage), 1)
        for k in raw["usage"].keys() - {"prompt_tokens_details"}:
            same(usage[0]["usage"][k], raw["usage"][k])
        for c in raw["choices"]:
            m = merged[c["index"]]
            same(m["message"], c["message"])
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
        same((m["message"], m["finish"]), (raw["message"], raw["finish_reason"]))


@test
def chat_logprobs():
    answer, raw = chat(max_tokens=10, seed=5, logprobs=True, top_logprobs=2, extra_body={"return_token_ids": True})
    entries = raw["choices"][0]["logprobs"]["content"]
    same(len(entries), raw["usage"]["completion_tokens"])
    for e in entries:
        same(len(e["top_logprobs"]), 2)
        assert e["top_logprobs"][0]["logprob"] >= e["top_logprobs"][1]["logprob"]
    spelled = bytes(b for e in entries for b in e["bytes"])
    assert said(raw["choices"][0]["message"])[:3] in spelled.decode("utf-8", "replace")
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
    def texts_of(**kw):
        return [said(c["message"]) for c in chat(**kw)[1]["choices"]]
    same(texts_of(seed=7, max_tokens=16), texts_of(seed=7, max_tokens=16))
    texts = {texts_of(max_tokens=24, temperature=2)[0] for _ in range(6)}
    assert len(texts) > 1, "without a seed answers are drawn anew"
    choices = chat(seed=7, n=4, max_tokens=24, temperature=2)[0].choices
    same([c.index for c in choices], [0, 1, 2, 3])
    several = texts_of(seed=7, n=4, max_tokens=24, temperature=2)
    assert len(set(several)) > 1
    same(several, texts_of(seed=7, n=4, max_tokens=24, temperature=2))


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
    same(body["prompt_weight_version"], "0")
    refused(422, "prompt_logprobs", **user("x", stream=True, prompt_logprobs=1))


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
    refused(422, "stream_options", **user("x", stream_options={"include_usage": True}))


@test
def request_ids():
    r = http.post(options.url + "/chat/completions", json=user("x", max_tokens=1), headers={"X-Request-Id": "abc-1"})
    same((r.headers["x-request-id"], r.json()["id"]), ("abc-1", "chatcmpl-abc-1"))
    r = http.post(options.url + "/chat/completions", json=user("x", max_tokens=1, request_id="body-2"))
    same(r.json()["id"], "chatcmpl-body-2")
    refused(422, "request_id", **user("x", request_id="a\r\nb"))
