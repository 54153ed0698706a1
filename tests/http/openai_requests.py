"""Requests: messages, tools, tokenisation, what is accepted and what is refused."""
from openai_harness import *  # noqa: F403


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
    refused(422, **user("x", continue_final_message=True, add_generation_prompt=True))
    refused(422, "chat_template", "unsupported_parameter", **user("x", chat_template="{{ 1 }}"))
    refused(422, "chat_template_kwargs.messages", **user("x", chat_template_kwargs={"messages": []}))


@test
def tools():
    tool = {"type": "function", "function": {"name": "look_up", "description": "Looks up.",
                                             "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}}}
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
    refused(422, "tool_choice", **user("x", tools=[tool], tool_choice="required"))
    refused(422, "tool_choice", **user("x", tools=[tool], tool_choice={"type": "function", "function": {"name": "look_up"}}))
    refused(422, "tool_choice", **user("x", tool_choice="auto"))
    refused(422, "tools", **user("x", tools=[]))
    refused(422, "tools.0.function.name", **user("x", tools=[{"type": "function", "function": {"name": "a b"}}]))
    def with_arguments(text):
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": text}}
        return [talk[0], {"role": "assistant", "content": None, "tool_calls": [call]}]

    refused(422, "messages.1.tool_calls.0.function.arguments", model=name, messages=with_arguments(5))
    broken = {"messages": with_arguments("{"), "max_tokens": 1, "model": name}   # what a model wrote: rendered as an empty object
    same(http.post(options.url + "/chat/completions", json=broken).status_code, 200)
    empty = http.post(options.url + "/chat/completions", content=b"", headers={"Content-Type": "application/json"})
    same((empty.status_code, empty.json()["error"]["code"]), (400, "invalid_json"))
    same(empty.json()["error"]["message"].startswith("the body is empty"), True)


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
    same(http.post(root + "/detokenize", json={"tokens": [10 ** 9]}).status_code, 422)
    same(http.post(root + "/tokenize", json={}).status_code, 422)


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
        refused(422, field, "unsupported_parameter", **user("x", **{field: value}))
    image = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/"}}]}]
    refused(422, "messages.0.content.0.type", "unsupported_content", messages=image, model=name)


@test
def wrong_values():
    for field, values in dict(temperature=[-1, 2.5, "1", True, []], top_p=[0, 1.1, "x"], top_k=[-2, 1.5], min_p=[-0.1, 2], n=[0, 129, 1.5, "1"],
                              max_tokens=[0, -1, 2 ** 40, "5"], max_completion_tokens=[0], frequency_penalty=[3], presence_penalty=[-3],
                              repetition_penalty=[0, -1], seed=["a", 1.5, 2 ** 70], stream=["yes", 1], logprobs=[1, "true"], top_logprobs=[-1, 21],
                              stop=[5], stop_token_ids=["a", 5], ignore_eos=["x"], min_tokens=[-1], logit_bias=[[], 3],
                              bad_words=["x"], messages=[[], "x", {}], tools=["x"], chat_template_kwargs=[[]], model=[5]).items():
        for value in values:
            refused(422, field, **dict(user("x"), **{field: value}))
    for field, value, at in (("stop", [""], "stop.0"), ("stop_token_ids", [10 ** 9], "stop_token_ids.0"), ("stop_token_ids", [-1], "stop_token_ids.0"),
                             ("logit_bias", {"x": 1}, "logit_bias.x"), ("logit_bias", {"1": 101}, "logit_bias.1"), ("bad_words", [""], "bad_words.0"),
                             ("messages", [5], "messages.0"), ("messages", [{"role": "x", "content": "y"}], "messages.0.role"),
                             ("messages", [{"role": "user"}], "messages.0.content"), ("messages", [{"role": "tool", "content": "x"}], "messages.0.tool_call_id")):
        refused(422, at, **dict(user("x"), **{field: value}))
    refused(422, "top_logprobs", **user("x", top_logprobs=2))
    refused(422, "min_tokens", **user("x", min_tokens=5, max_tokens=2))
    refused(404, "model", "model_not_found", model="nobody", messages=[{"role": "user", "content": "x"}])
    e = refused(400, "messages", "context_length_exceeded", **user("x " * 300000, max_tokens=5))
    assert "context length" in e["message"] and "max_tokens" not in e["message"], e
    same(http.post(options.url + "/chat/completions", json=user("Hi", max_tokens=2 ** 31 - 1)).status_code, 200)   # clamped
    e = refused(400, "top_logprobs", **user("x", logprobs=True, top_logprobs=None))
    assert "top_logprobs" in e["message"], e
    for prompt in ("", [], [[]], [-1], [10 ** 9], [1.5], 5, {}, [["a"]], ["a", 1]):
        refused(422, path="/completions", model=name, prompt=prompt)
    refused(400, "prompt", "context_length_exceeded", path="/completions", model=name, prompt="x " * 300000)
    refused(422, "max_tokens", path="/completions", model=name, prompt="x", max_tokens=0)
    refused(422, "best_of", path="/completions", model=name, prompt="x", best_of=3)
    refused(422, "suffix", path="/completions", model=name, prompt="x", suffix="y")
    report = refused(422, **user("x", temperature=9, n=0, top_p=7, seed="s" * 100000, stop_token_ids=["x"] * 200))
    assert len(report["message"]) < 8000


@test
def client_errors():
    try:
        client.chat.completions.create(**user("x"), temperature=9)
        assert False
    except openai.UnprocessableEntityError as e:
        same((e.param, e.type), ("temperature", "invalid_request_error"))
