#!/usr/bin/env python3
"""Every subcommand of the command-line program does its job on the bundled model: shapes of what it prints, and that
`score` gives, bit for bit, the log-probabilities that `generate` reported."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ["VERBATIM_BINARY"]
MODEL = ROOT / "examples" / "models" / "tiny-chat"
problems = []


def run(*arguments, lines=(), code=0):
    """What the subcommand printed, as one JSON value a line."""
    done = subprocess.run([BINARY, *map(str, arguments)], input="".join(json.dumps(line) + "\n" for line in lines),
                          capture_output=True, text=True, timeout=300)
    if done.returncode != code:
        sys.exit(f"verbatim {arguments}: exit code {done.returncode}, {code} expected\n{done.stdout}{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def expect(what, good):
    print(("ok      " if good else "FAILED  ") + what)
    if not good:
        problems.append(what)


texts = [{"name": "sum", "text": "What is 17 + 25?"}, {"name": "wide", "text": "naïve 漢字 🙂\n\ttab"}, {"name": "none", "text": ""}]
ids = run("tokenize", "--tokenizer", MODEL / "tokenizer.json", lines=texts)
expect("tokenize keeps names and gives ids", [t["name"] for t in ids] == [t["name"] for t in texts] and ids[0]["ids"] and not ids[2]["ids"])
expect("tokenize takes the directory too", run("tokenize", "--tokenizer", MODEL, lines=texts) == run("tokenize", "--model", MODEL, lines=texts) == ids)
expect("detokenize is its inverse", run("detokenize", "--tokenizer", MODEL, lines=ids) == run("detokenize", "--model", MODEL, lines=ids) == texts)

messages = [{"role": "user", "content": "What is 17 + 25?"}]
template = MODEL / "chat_template.jinja"
rendered = run("render", "--template", template, lines=[
    {"name": "one", "context": {"messages": messages, "add_generation_prompt": True}}, {"name": "two", "context": {"messages": 3}}])
expect("render gives a text, or an error for that line", "What is 17 + 25?" in rendered[0]["text"] and "error" in rendered[1] and rendered[1]["name"] == "two")

with tempfile.TemporaryDirectory() as folder:
    conversation = pathlib.Path(folder) / "messages.json"
    conversation.write_text(json.dumps(messages))
    greedy = run("generate", "--model", MODEL, "--messages", conversation, "--temperature", 0, "--json")[0]
expect("generate --json has its five members", list(greedy) == ["prompt_ids", "ids", "logprobs", "text", "finish_reason"])
expect("generate --messages renders the template", run("tokenize", "--tokenizer", MODEL, lines=[rendered[0]])[0]["ids"] == greedy["prompt_ids"])
expect("generate answers", "42" in greedy["text"] and greedy["finish_reason"] == "stop" and len(greedy["ids"]) == len(greedy["logprobs"]))

for dtype in ("bf16", "f32"):
    options = ("--model", MODEL, "--dtype", dtype)
    sampled = run("generate", *options, "--prompt", rendered[0]["text"], "--temperature", 1, "--top-p", 1, "--top-k", 0,
                  "--seed", 5, "--ignore-eos", "--max-tokens", 100, "--json")[0]
    expect(f"generate stops at --max-tokens ({dtype})", len(sampled["ids"]) == 100 and sampled["finish_reason"] == "length")
    whole = sampled["prompt_ids"] + sampled["ids"]
    scored = run("score", *options, "--threads", 1, "--step-tokens", 17, lines=[{"ids": whole}])[0]["logprobs"]
    expect(f"score gives one number per token after the first ({dtype})", len(scored) == len(whole) - 1)
    expect(f"score gives the bits that were reported while sampling ({dtype})", scored[len(sampled["prompt_ids"]) - 1:] == sampled["logprobs"])
both = run("score", "--model", MODEL, lines=[{"ids": [1, 2, 3]}, {"ids": [1, 10**6]}, {"ids": [4, 5]}], code=1)
expect("score goes on after a line that fails", ["logprobs", "error", "logprobs"] == [next(iter(line)) for line in both])

for source in (("--model", MODEL), ("--random-weights", MODEL / "config.json")):
    rows = run("bench", *source, "--prompt", 16, "--output", 4, "--batch", "1,2", "--repetitions", 1, "--json")
    expect(f"bench {source[0]} measures every batch", [r["batch"] for r in rows] == [1, 2] and
           all(r["decode_tokens_per_second"] > 0 and 0 < r["decode_of_floor"] for r in rows))
    expect(f"bench {source[0]} says how far the machine's limits changed beside each row", all(0 <= r["floor_change"] < 1 for r in rows))
    rows = run("bench", *source, "--prefill", "136,72", "--prompt", 16, "--output", 4, "--batch", 2, "--repetitions", 1, "--no-floor", "--json")
    expect(f"bench {source[0]} measures prompts alone first", [(r["batch"], r["prompt"], r["output"]) for r in rows] == [(1, 136, 2), (1, 72, 2), (2, 16, 4)])
    expect(f"bench {source[0]} computes every prompt", [r["cached_tokens"] for r in rows] == [0, 0, 0])
own = json.loads((MODEL / "config.json").read_text())["max_position_embeddings"]
for options, what in ((("--prompt", own, "--output", 8), f"--prompt {own} and --output 8 are {own + 8} tokens a sequence; the model was made for {own}"),
                      (("--prefill", own), f"--prefill {own} and its 2 of output are {own + 2} tokens a sequence; the model was made for {own}"),
                      (("--context", 100), "--prompt 128 and --output 128 are 256 tokens a sequence; --context allows 100. Lower them, or raise --context"),
                      (("--kv-memory", "0.000001"), "[verbatim.engine.9] --kv-memory: one page of the KV cache needs "),
                      (("--kv-memory", "0.0002"), "tokens a sequence; the memory for keys and values holds ")):
    done = subprocess.run([BINARY, "bench", "--model", MODEL, *map(str, options)], capture_output=True, text=True, timeout=300)
    expect(f"bench {options[0]} {options[1]} is refused with numbers, before anything is measured",
           done.returncode == 1 and what in done.stderr and "measuring" not in done.stderr and not done.stdout)
about = run("inspect", "--model", MODEL, "--bandwidth", 10, "--json")
expect("inspect --json is one object", len(about) == 1 and isinstance(about[0], dict))
expect("inspect asks for no more context than the model has", about[0]["needs"]["context"] == min(4096, own))
expect("inspect says what the formats take", list(about[0]["needs"]["weight_bytes_by_format"]) == ["f32", "bf16", "int8", "int4"] and
       list(about[0]["needs"]["kv_bytes_per_token_by_format"]) == ["f32", "bf16", "int8"])
with tempfile.TemporaryDirectory() as folder:
    alone = pathlib.Path(folder) / "config.json"
    alone.write_text((MODEL / "config.json").read_text())
    for path in (alone, folder):
        of_config = run("inspect", "--model", path, "--bandwidth", 10, "--json")[0]
        expect(f"inspect of a config.json alone says what needs no weights ({'the folder' if path == folder else 'the file'})",
               of_config["needs"] == about[0]["needs"] and of_config["tensors"] is None and not of_config["model"]["tokenizer"])
        text = subprocess.run([BINARY, "inspect", "--model", path, "--bandwidth", "10"], capture_output=True, text=True, timeout=60).stdout
        expect("and says so", "no weights here" in text and "every expected tensor" not in text and "660 B in int8" in text)
    (pathlib.Path(folder) / "model-00001-of-00002.safetensors").write_bytes(b"")
    run("inspect", "--model", folder, code=1)
expect("inspect of the config.json of a whole model looks at its weights",
       run("inspect", "--model", MODEL / "config.json", "--bandwidth", 10, "--json")[0]["tensors"] == about[0]["tensors"])

sys.exit(1 if problems else 0)
