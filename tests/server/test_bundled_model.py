#!/usr/bin/env python3
"""The bundled model, served: ready within a second, as good at its sums and tool calls as its model card says, and what it
writes arrives as what it is: reasoning, content, tool calls."""
import json
import subprocess
import sys
import urllib.request

from running import BIN, MODEL, server, skip_all

if not (MODEL / "model.safetensors").exists():
    skip_all("the bundled model is not here")

TOOL = {"type": "function", "function": {"name": "get_weather", "description": "Gets the weather of a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


def ask(port, text, **more):
    body = {"messages": [{"role": "user", "content": text}], "temperature": 0, "max_tokens": 200, **more}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
    answer = json.load(urllib.request.urlopen(request, timeout=60))
    return answer["choices"][0]["message"], answer["choices"][0]["finish_reason"], answer["usage"]["completion_tokens_details"]["reasoning_tokens"]


def check_parts(port):
    message, finish, tokens = ask(port, "What is 17 + 25?")
    print(message, finish, tokens)
    assert "42" in message["content"] and message["reasoning"] == message["reasoning_content"] and tokens > 2, message
    assert "think>" not in message["content"] + message["reasoning"] and finish == "stop"
    cut, finish, tokens = ask(port, "What is 17 + 25?", max_tokens=5)
    assert message["reasoning"].startswith(cut["reasoning"].rstrip("\n")) and (cut["content"], finish, tokens) == ("", "length", 5), cut
    direct, finish, tokens = ask(port, "What is 17 + 25?", chat_template_kwargs={"enable_thinking": False})
    assert "reasoning" not in direct and direct["content"] and tokens == 0, direct
    called, finish, tokens = ask(port, "What is the weather in Oslo?", tools=[TOOL])
    print(called, finish, tokens)
    function = called["tool_calls"][0]["function"]
    assert called["content"] is None and finish == "tool_calls" and called["reasoning"], called
    assert function["name"] == "get_weather" and isinstance(json.loads(function["arguments"])["city"], str), called
    plain, finish, tokens = ask(port, "What is the weather in Oslo?", tools=[TOOL], tool_choice="none")
    assert plain["content"].startswith("<tool_call>\n") and finish == "stop" and function["arguments"] in plain["content"], plain


with server(BIN / "verbatim", "serve", "--model", MODEL, "--port", "0") as (port, process, seconds):
    print(f"ready after {seconds:.2f} s", flush=True)
    check_parts(port)
    code = subprocess.run([sys.executable, str(MODEL / "evaluate.py"), "--url", f"http://127.0.0.1:{port}/v1", "--count", "200",
                           "--kinds", "arithmetic", "tool_calls", "--parsed", "--show", "3"]).returncode
with server(BIN / "verbatim", "serve", "--model", MODEL, "--port", "0", "--reasoning-parser", "none", "--tool-parser", "none") as (port, process, seconds):
    message, finish, tokens = ask(port, "What is the weather in Oslo?", tools=[TOOL])
    if not (message["content"].startswith("<think>\n") and "<tool_call>\n" in message["content"] and finish == "stop" and tokens == 0):
        sys.exit(f"without parsers the answer is {message}")
sys.exit(code)
