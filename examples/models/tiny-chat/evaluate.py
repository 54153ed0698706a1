"""Measures tiny-chat on questions it was never trained on, at temperature 0.

    python evaluate.py                                       # transformers, bfloat16
    python evaluate.py --dtype float32
    python evaluate.py --url http://127.0.0.1:8000/v1        # any OpenAI-compatible server of the same model

Exits with 1 where a gate is missed: sums and differences 95 %, tool calls 90 %.
"""

import argparse
import concurrent.futures
import itertools
import json
import pathlib
import re
import sys
import urllib.request

from make_data import Maker

HERE = pathlib.Path(__file__).resolve().parent
GATES = {"arithmetic": 0.95, "tool_calls": 0.90}
CALL = re.compile(r"<tool_call>\n(.*?)\n</tool_call>", re.S)


def arithmetic(maker):
    """A sum or difference of two-digit numbers; the last number of the answer is judged."""
    ask, _, result, _ = maker.arithmetic()

    def right(reply):
        numbers = re.findall(r"-?\d+", re.sub(r"(?<=\d) ?- ?(?=\d)", " ", reply["content"]))
        return not reply["calls"] and bool(numbers) and int(numbers[-1]) == result

    return {"messages": maker.system() + [{"role": "user", "content": ask}]}, right


def arithmetic_direct(maker):
    """The same without reasoning."""
    question, right = arithmetic(maker)
    return question | {"thinking": False}, right


def tool_calls(maker, count=1):
    """One call is due: the tool's name, its argument's name and its value must all be right."""
    tools = [maker.tool() for _ in range(count)]
    tool = maker.rng.choice(tools)
    value = maker.value(tool["kind"])
    question = {"messages": maker.system() + [{"role": "user", "content": tool["ask"](value, count > 1)}], "tools": [t["json"] for t in tools]}
    return question, lambda reply: reply["calls"] == [(tool["name"], {tool["key"]: value})]


def two_tools(maker):
    """The same with two tools to choose from."""
    return tool_calls(maker, 2)


def tool_calls_direct(maker):
    """One tool, without reasoning."""
    question, right = tool_calls(maker)
    return question | {"thinking": False}, right


def tool_answers(maker):
    """After the tool's result the answer must hold it."""
    tool = maker.tool()
    value, (returned, plain) = maker.value(tool["kind"]), maker.result()
    call = {"id": "call_1", "type": "function", "function": {"name": tool["name"], "arguments": json.dumps({tool["key"]: value}, ensure_ascii=False)}}
    messages = [{"role": "user", "content": tool["ask"](value)}, {"role": "assistant", "content": "", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "call_1", "content": returned}]
    due = plain or json.loads(returned)["error"]
    return {"messages": messages, "tools": [tool["json"]]}, lambda reply: not reply["calls"] and due in reply["content"]


def no_call(maker):
    """A tool is at hand but a sum is asked: the sum must be right and nothing called."""
    question, right = arithmetic(maker)
    return question | {"tools": [maker.tool()["json"]]}, right


KINDS = {f.__name__: f for f in (arithmetic, tool_calls, arithmetic_direct, tool_calls_direct, two_tools, tool_answers, no_call)}


def parse_calls(text):
    """The calls in a reply's text; a malformed one counts as None and so as wrong."""
    calls = []
    for body in CALL.findall(text) + (["?"] if text.count("<tool_call>") != len(CALL.findall(text)) else []):
        try:
            call = json.loads(body)
            calls.append((call["name"], call["arguments"]))
        except (ValueError, KeyError, TypeError):
            calls.append(None)
    return calls


class Local:
    """The checkpoint through transformers, greedy, in batches."""

    def __init__(self, path, dtype):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
        self.torch = torch
        torch.set_num_threads(1)
        self.tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
        self.model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, attn_implementation="sdpa").eval()

    def takes(self, question):
        return True

    def replies(self, questions, batch=50):
        prompts = [self.tokenizer.apply_chat_template(q["messages"], tools=q.get("tools"), add_generation_prompt=True, tokenize=False,
                                                      enable_thinking=q.get("thinking", True)) for q in questions]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        found = {}
        for at in range(0, len(order), batch):
            some = order[at:at + batch]
            inputs = self.tokenizer([prompts[i] for i in some], return_tensors="pt", padding=True, add_special_tokens=False, return_token_type_ids=False)
            with self.torch.no_grad():
                out = self.model.generate(**inputs, max_new_tokens=200, do_sample=False, temperature=None, top_p=None, top_k=None)
            for i, row in zip(some, out[:, inputs["input_ids"].shape[1]:]):
                found[i] = self.tokenizer.decode(row, skip_special_tokens=True)
        for i in range(len(prompts)):
            text = found[i].split("</think>")[-1].strip()
            yield {"content": CALL.sub("", text), "calls": parse_calls(text), "raw": found[i]}


class Server:
    """The same questions through POST /v1/chat/completions."""

    def __init__(self, url, model, jobs, parsed=False):
        self.url, self.jobs, self.parsed = url.rstrip("/"), jobs, parsed
        self.model = model or self.get("/models")["data"][0]["id"]

    def get(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json", "Authorization": "Bearer none"})
        with urllib.request.urlopen(request, timeout=300) as response:
            return json.load(response)

    def reply(self, question):
        body = {"model": self.model, "messages": question["messages"], "temperature": 0, "max_tokens": 200}
        if question.get("tools"):
            body["tools"] = question["tools"]
        if not question.get("thinking", True):
            body["chat_template_kwargs"] = {"enable_thinking": False}
        message = self.get("/chat/completions", body)["choices"][0]["message"]
        content = message.get("content") or ""
        if self.parsed and ("think>" in content or (CALL.search(content) and None not in parse_calls(content))):
            raise ValueError(f"the server left in the content what is none: {message}")
        text = content.split("</think>")[-1].strip()
        calls = []
        for call in message.get("tool_calls") or []:
            try:
                calls.append((call["function"]["name"], json.loads(call["function"]["arguments"])))
            except ValueError:
                calls.append(None)
        return {"content": text, "calls": calls + parse_calls(text), "raw": json.dumps(message, ensure_ascii=False)}

    def takes(self, question):
        """The API's names of tools are ASCII."""
        return all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", t["function"]["name"]) for t in question.get("tools", []))

    def replies(self, questions):
        with concurrent.futures.ThreadPoolExecutor(self.jobs) as pool:
            yield from pool.map(self.reply, questions)


def measure(model, count, kinds=KINDS, seed=7, show=0):
    """The share of right replies by kind of question."""
    rates = {}
    for kind in kinds:
        maker = Maker(f"{seed}-{kind}", held_out=True)
        drawn = (KINDS[kind](maker) for _ in itertools.count())
        asked = list(itertools.islice((d for d in drawn if model.takes(d[0])), count))
        marks = []
        for (question, right), reply in zip(asked, model.replies([q for q, _ in asked])):
            marks.append(bool(right(reply)))
            if not marks[-1] and marks.count(False) <= show:
                print(kind, "wrong:", json.dumps(question["messages"], ensure_ascii=False), "->", json.dumps(reply["raw"], ensure_ascii=False))
        rates[kind] = round(sum(marks) / count, 4)
    return rates


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="checkpoint folder, or the model's name on the server")
    parser.add_argument("--url", help="base address of an OpenAI-compatible server")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--count", type=int, default=600, help="questions of each kind")
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=7, help="which questions")
    parser.add_argument("--jobs", type=int, default=8, help="requests at a time")
    parser.add_argument("--parsed", action="store_true", help="with --url: the server must tell reasoning and tool calls from content")
    parser.add_argument("--show", type=int, default=0, help="wrong replies to print of each kind")
    parser.add_argument("--out", type=pathlib.Path, help="write the figures here as JSON")
    a = parser.parse_args()
    if a.url:
        model, what = Server(a.url, a.model, a.jobs, a.parsed), "OpenAI-compatible server"
    else:
        import torch
        model, what = Local(a.model or HERE, getattr(torch, a.dtype)), f"transformers, {a.dtype}"
    rates = measure(model, a.count, a.kinds, a.seed, a.show)
    passed = all(rates[k] >= gate for k, gate in GATES.items() if k in rates)
    figures = {"measured_with": what, "temperature": 0, "seed": a.seed, "questions_of_each_kind": a.count, "rates": rates, "gates": GATES, "passed": passed}
    print(json.dumps(figures, indent=2))
    if a.out:
        a.out.write_text(json.dumps(figures, indent=2) + "\n")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
