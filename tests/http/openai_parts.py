"""The parts of chat answers: reasoning, content and tool calls, which the scripted engine says word by word."""
from openai_harness import *  # noqa: F403

TOOL = {"type": "function", "function": {"name": "look_up", "strict": True, "description": "Looks up.", "parameters": {
    "type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"], "additionalProperties": False}}}
ARGUMENTS = '{ "q": "größer \\"}\\n\\u00e9 </tool_call> 数字" }'
CALL = '<tool_call>\n{"name": "look_up", "arguments": ' + ARGUMENTS + "}\n</tool_call>"
THOUGHT = "<think>\nWhat is asked?\n</think>\n\n"


def both(text, **kw):
    """The choice of the whole answer, which the streamed one adds up to. Told apart by bytes and by special tokens."""
    seen = []
    for how in ("say", "emit"):
        raw = chat(f"[{how}:{text}]", extra_body=dict(kw, request_id="one"), logprobs=True)[1]
        merged, usage, events = chat_stream(f"[{how}:{text}]", logprobs=True, request_id="one", stream_options={"include_usage": True}, **kw)
        choice = raw["choices"][0]
        same((merged[0]["message"], merged[0]["finish"]), (choice["message"], choice["finish_reason"]))
        same(merged[0]["logprobs"], choice["logprobs"]["content"])
        same(len(merged[0]["logprobs"]), raw["usage"]["completion_tokens"])
        same(usage[0]["usage"]["completion_tokens_details"], raw["usage"]["completion_tokens_details"])
        seen.append((choice["message"], choice["finish_reason"]))
    same(seen[0], seen[1])
    return choice["message"], choice["finish_reason"], raw["usage"]["completion_tokens_details"]["reasoning_tokens"]


def calls_of(message):
    assert all(c["type"] == "function" and len(c["id"]) == 29 and c["id"].startswith("call_") for c in message["tool_calls"])
    assert len({c["id"] for c in message["tool_calls"]}) == len(message["tool_calls"])
    return [(c["function"]["name"], c["function"]["arguments"]) for c in message["tool_calls"]]


@scripted_test
def reasoning():
    message, finish, tokens = both(THOUGHT + "Four.")
    same((message["reasoning"], message["content"], finish, tokens), ("What is asked?", "Four.", "stop", 1 + 1 + 14 + 1 + 1))
    message, finish, tokens = both("Two.\n</think>\n\nFour.", chat_template_kwargs={"open": "<think>\n"})
    same((message["reasoning"], message["content"], tokens), ("Two.", "Four.", 6))
    message, finish, tokens = both("<think>\nSo far")
    same((message["reasoning"], message["content"], finish), ("So far", "", "stop"))
    message, _, tokens = both("Four.")
    assert "reasoning" not in message and "tool_calls" not in message
    same((message["content"], tokens), ("Four.", 0))


@scripted_test
def tool_calls():
    message, finish, _ = both(THOUGHT + "I look.\n" + CALL + "\n" + CALL, tools=[TOOL])
    same((message["reasoning"], message["content"], finish), ("What is asked?", "I look.", "tool_calls"))
    same(calls_of(message), [("look_up", ARGUMENTS)] * 2)
    message, finish, _ = both(CALL, tools=[TOOL])
    same((message["content"], finish, calls_of(message)), (None, "tool_calls", [("look_up", ARGUMENTS)]))
    message, finish, _ = both(CALL + CALL, tools=[TOOL], parallel_tool_calls=False)
    same(len(calls_of(message)), 1)
    message, finish, _ = both(CALL.removesuffix("\n</tool_call>"), tools=[TOOL])
    same((finish, len(calls_of(message))), ("tool_calls", 1))
    for kw in ({}, dict(tools=[TOOL], tool_choice="none")):
        raw = chat(f"[say:{CALL}]", extra_body=kw)[1]["choices"][0]
        same((raw["message"], raw["finish_reason"]), ({"role": "assistant", "content": CALL, "refusal": None}, "stop"))


@scripted_test
def failed_tool_calls():
    for text in ("<tool_call>\n{\"name\": \"f\", \"argu", "<tool_call>\n{\"name\": f}\n</tool_call>", "<tool_call>\nf()\n</tool_call>"):
        message, finish, _ = both("I look.\n" + text, tools=[TOOL])
        same((message["content"], finish), ("I look.\n" + text, "stop"))
        assert "tool_calls" not in message
    for how, tokens in (("say", len(CALL.encode()) + 14), ("emit", len(CALL.encode()) - 18)):
        for limit in range(1, tokens + 1):
            raw = chat(f"[{how}:I look.\n{CALL}\nDone.]", max_tokens=limit, extra_body=dict(tools=[TOOL], request_id="x"))[1]["choices"][0]
            m = chat_stream(f"[{how}:I look.\n{CALL}\nDone.]", max_tokens=limit, tools=[TOOL], request_id="x")[0][0]
            same((m["message"], m["finish"]), (raw["message"], raw["finish_reason"]))
            same(raw["finish_reason"], "length")  # never "tool_calls": the answer was cut off
            assert raw["message"].get("tool_calls") or ("I look.\n" + CALL).startswith(raw["message"]["content"])


@scripted_test
def special_tokens_shown():
    """With skip_special_tokens: false the markers come as text, and are found there."""
    shown = chat("[emit:" + THOUGHT + CALL + "]", extra_body=dict(skip_special_tokens=False, tools=[TOOL]))[1]["choices"][0]["message"]
    same((shown["reasoning"], calls_of(shown)), ("What is asked?", [("look_up", ARGUMENTS)]))
    raw = chat("[emit:" + THOUGHT + "b]", stop=["</think>"])[1]["choices"][0]
    same(raw["message"]["content"], "b")
    raw = chat("[say:" + THOUGHT + "b]", stop=["</think>"])[1]["choices"][0]
    same((raw["message"]["reasoning"], raw["stop_reason"]), ("What is asked?\n", "</think>"))


@scripted_test
def the_clients_own_stream():
    """What the client itself makes of the chunks is what it makes of the whole answer."""
    for text in ("Four.", THOUGHT + "Four.", CALL, THOUGHT + "I look.\n" + CALL + "\n" + CALL):
        body = dict(user(f"[say:{text}]"), tools=[TOOL], extra_body={"request_id": "one"})
        whole = client.chat.completions.create(**body).choices[0]
        done, content = [], ""
        with client.chat.completions.stream(**body) as stream:
            for event in stream:
                if event.type == "tool_calls.function.arguments.done":
                    done.append((event.name, event.arguments, event.parsed_arguments))
                if event.type == "content.delta":
                    content += event.delta
            last = stream.get_final_completion().choices[0]
        same((last.finish_reason, last.message.content or None), (whole.finish_reason, whole.message.content or None))
        same(last.message.model_extra.get("reasoning"), whole.message.model_extra.get("reasoning"))
        calls = [(c.id, c.function.name, c.function.arguments) for c in whole.message.tool_calls or []]
        same([(c.id, c.function.name, c.function.arguments) for c in last.message.tool_calls or []], calls)
        same(done, [(n, a, json.loads(a)) for _, n, a in calls])
        same(content, whole.message.content or "")


@scripted_test
def calls_go_round():
    """An answer with calls is what the next request may hold."""
    message = chat(f"[say:{THOUGHT}{CALL}]", extra_body=dict(tools=[TOOL]))[1]["choices"][0]["message"]
    talk = user("q?")["messages"] + [message, {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "[say:a]"}]
    same(client.chat.completions.create(model=name, messages=talk, tools=[TOOL]).choices[0].message.content, "a")
