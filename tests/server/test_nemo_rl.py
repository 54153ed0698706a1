#!/usr/bin/env python3
"""NeMo RL's tests of its HTTP server and of the exact prefix, restated: the real Qwen3 tokenizer and chat template from the test
data, a small Qwen3 with random weights, `verbatim serve --gym`. Generated ids are given by `forced_token_ids` where the original
relies on what the trained model says. Numbers are those of NeMo RL's tests, to the digit.
"""
import gzip
import json
import os
import pathlib
import shutil
import sys
import tempfile
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from running import BIN, ROOT, server, skip_all  # noqa: E402

DATA = pathlib.Path(os.environ.get("VERBATIM_TESTDATA") or ROOT / ".." / "shared" / "testdata") / "tokenizers" / "qwen3"
if not (DATA / "tokenizer.json.gz").exists():
    skip_all("NeMo RL's tests: no Qwen3 tokenizer in the test data")
try:
    import numpy
    import safetensors.numpy
except ImportError:
    skip_all("NeMo RL's tests: numpy and safetensors are not here")

CONTEXT, VOCABULARY, HIDDEN = 1024, 151936, 32
CONFIG = dict(architectures=["Qwen3ForCausalLM"], model_type="qwen3", dtype="float32", vocab_size=VOCABULARY, hidden_size=HIDDEN,
              intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=16,
              max_position_embeddings=CONTEXT, rms_norm_eps=1e-6, rope_theta=1e6, tie_word_embeddings=True,
              bos_token_id=151643, eos_token_id=[151645, 151643])


def make_model(folder):
    with gzip.open(DATA / "tokenizer.json.gz") as packed:
        (folder / "tokenizer.json").write_bytes(packed.read())
    for name in ("tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(DATA / name, folder / name)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    random = numpy.random.default_rng(1)

    def matrix(rows, columns):
        return (random.standard_normal((rows, columns)) / columns ** 0.5).astype(numpy.float32)

    layer = "model.layers.0."
    ones = {name: numpy.ones(n, numpy.float32) for name, n in {
        "model.norm.weight": HIDDEN, layer + "input_layernorm.weight": HIDDEN, layer + "post_attention_layernorm.weight": HIDDEN,
        layer + "self_attn.q_norm.weight": 16, layer + "self_attn.k_norm.weight": 16}.items()}
    shapes = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), layer + "self_attn.q_proj.weight": (32, HIDDEN),
              layer + "self_attn.k_proj.weight": (16, HIDDEN), layer + "self_attn.v_proj.weight": (16, HIDDEN),
              layer + "self_attn.o_proj.weight": (HIDDEN, 32), layer + "mlp.gate_proj.weight": (64, HIDDEN),
              layer + "mlp.up_proj.weight": (64, HIDDEN), layer + "mlp.down_proj.weight": (HIDDEN, 64)}
    safetensors.numpy.save_file(ones | {k: matrix(*s) for k, s in shapes.items()}, folder / "model.safetensors")


def call(base, path, body):
    request = urllib.request.Request(base + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as e:
        return e.code, json.load(e)


def good(base, path, body):
    status, answer = call(base, path, body)
    assert status == 200, (status, answer)
    return answer


PROMPT = [151644, 872, 198, 1830, 311, 220, 20, 151645, 198, 151644, 77091, 198]


def http_server(base):   # test_vllm_http_server
    body = dict(messages=[{"role": "user", "content": "count to 5"}], temperature=0.0, top_p=1.0, logprobs=True, max_tokens=1)
    got = good(base, "/v1/chat/completions", body | {"forced_token_ids": [151667]})
    message, choice = got["choices"][0]["message"], got["choices"][0]
    value = choice["logprobs"]["content"][0]["logprob"]
    assert message["generation_log_probs"] == [value]
    for place in (got, choice, message):
        for key in ("id", "created", "system_fingerprint", "reasoning", "generation_log_probs", "forced_tokens"):
            place.pop(key, None)
    choice["logprobs"]["content"][0].pop("logprob")
    expected = {
        "object": "chat.completion", "model": "policy", "service_tier": None,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": "<think>", "refusal": None, "annotations": None, "audio": None, "function_call": None,
                        "prompt_token_ids": PROMPT, "generation_token_ids": [151667]},
            "logprobs": {"content": [{"token": "token_id:151667", "bytes": [60, 116, 104, 105, 110, 107, 62], "top_logprobs": []}]},
            "finish_reason": "length", "stop_reason": None, "token_ids": None, "routed_experts": None}],
        "usage": {"prompt_tokens": 12, "total_tokens": 13, "completion_tokens": 1, "prompt_tokens_details": None},
        "prompt_logprobs": None, "prompt_token_ids": None, "prompt_text": None, "kv_transfer_params": None, "metrics": None}
    assert got == expected, f"\n{got}\n{expected}"
    status, refused = call(base, "/v1/chat/completions", body | {"top_logprobs": None})
    assert status == 400 and refused["error"]["code"] == 400 and "top_logprobs" in refused["error"]["message"], refused
    assert good(base, "/tokenize", body) == {"count": 12, "max_model_len": CONTEXT, "tokens": PROMPT, "token_strs": None}


def merged_tokens(base):   # test_vllm_http_server_correct_merged_tokens_matches_baseline
    body = {"messages": [{"role": "user", "content": " Skinny"}]}
    natural, exact = [151644, 872, 198, 94224], [151644, 872, 198, 26951, 3834]
    rest = [151645, 198, 151644, 77091, 198]
    plain = good(base, "/tokenize", body)
    assert (plain["count"], plain["tokens"]) == (9, natural + rest), plain
    spliced = good(base, "/tokenize", body | {"required_prefix_token_ids": exact})
    assert (spliced["count"], spliced["tokens"]) == (10, exact + rest), spliced
    asked = dict(body, required_prefix_token_ids=exact, temperature=0.0, top_p=1.0, logprobs=True, max_tokens=1)
    got = good(base, "/v1/chat/completions", asked)["choices"][0]
    assert got["message"]["prompt_token_ids"] == exact + rest
    direct = good(base, "/v1/completions", {"prompt": exact + rest, "max_tokens": 1, "temperature": 0.0, "return_token_ids": True})
    assert [int(got["logprobs"]["content"][0]["token"].removeprefix("token_id:"))] == direct["choices"][0]["token_ids"]


def logprobs_contract(base):   # test_vllm_http_logprobs_contract
    body = dict(messages=[{"role": "user", "content": "hi"}], temperature=1.0, top_p=1.0, logprobs=True, max_tokens=3, seed=1)
    for more in ({}, {"top_logprobs": 0}):
        entries = good(base, "/v1/chat/completions", body | more)["choices"][0]["logprobs"]["content"]
        assert len(entries) >= 1 and all(int(e["token"].removeprefix("token_id:")) >= 0 and "top_logprobs" in e for e in entries), entries
    status, answer = call(base, "/v1/chat/completions", body | {"top_logprobs": None})
    assert 400 <= status < 500, (status, answer)


def attached_tokens(base):   # test_attach_token_information_*
    body = dict(messages=[{"role": "user", "content": "hi"}], temperature=1.0, top_p=1.0, logprobs=True, max_tokens=4, n=3, seed=2)
    got = good(base, "/v1/chat/completions", body)
    assert [c["index"] for c in got["choices"]] == [0, 1, 2]
    for choice in got["choices"]:
        ids = [int(e["token"].removeprefix("token_id:")) for e in choice["logprobs"]["content"]]
        assert choice["message"]["generation_token_ids"] == ids
        assert choice["message"]["generation_log_probs"] == [e["logprob"] for e in choice["logprobs"]["content"]]
    # A token that the request's own values make impossible is reported with the floor.
    floor = good(base, "/v1/chat/completions", body | {"n": 1, "top_k": 1, "max_tokens": 1, "forced_token_ids": [12345]})
    assert floor["choices"][0]["message"]["generation_log_probs"] == [-9999.0], floor


def conversation(base):   # test_dynamo_token_wrapper, and contiguity as NeMo RL checks it
    tools = [{"type": "function", "function": {"name": "look", "description": "d", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}}]
    messages = [{"role": "user", "content": "what?"}]
    seen = []
    spoken = ["<tool_call>\n{\"name\":  \"look\", \"arguments\": {\"q\":\"a\"}}\n</tool_call>", "<think>\nso\n</think>\n\n Skinny", "done"]
    for turn, text in enumerate(spoken):
        letters = [i for c in text for i in good(base, "/tokenize", {"prompt": c, "add_special_tokens": False})["tokens"]]
        ends = [[151645], [151643], []][turn]   # the template's end, another one, cut by length
        body = dict(messages=messages, tools=tools, temperature=1.0, top_p=1.0, logprobs=True, forced_token_ids=letters + ends, max_tokens=len(letters + ends))
        got = good(base, "/v1/chat/completions", body)
        message = got["choices"][0]["message"]
        prompt = message["prompt_token_ids"]
        assert prompt[:len(seen)] == seen, "not contiguous"
        assert good(base, "/tokenize", body)["tokens"] == prompt
        assert message["generation_token_ids"] == letters + ends
        seen = prompt + message["generation_token_ids"]
        messages = messages + [message]
        messages.append({"role": "tool", "tool_call_id": "c", "content": "7"} if turn == 0 else {"role": "user", "content": "and?"})
    tokens = good(base, "/tokenize", {"messages": messages, "tools": tools})["tokens"]
    assert tokens[:len(seen)] == seen and tokens[len(seen)] == 151645, "a turn that was cut gets the template's end"
    # Malformed arguments are the model's affair; the exact ids stand for them.
    broken = json.loads(json.dumps(messages))
    broken[1]["tool_calls"] = [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{\"q\": "}}]
    assert good(base, "/tokenize", {"messages": broken, "tools": tools})["tokens"][:len(seen)] == seen
    # A bundle by half is an error, history that does not fit the ids is one too; neither speaks of the context.
    half = [dict(m) for m in messages]
    del half[1]["generation_token_ids"], half[3], half[-2:]
    assert call(base, "/tokenize", {"messages": half[:2]})[0] == 422
    gone = [m for m in messages if m["role"] == "assistant"][-1:]
    status, error = call(base, "/tokenize", {"messages": gone, "required_prefix_token_ids": []})
    assert status == 200, error
    # Overflow: 400 that says so; a large max_tokens is clamped; no other refusal uses these words.
    status, error = call(base, "/v1/chat/completions", {"messages": [{"role": "user", "content": "a b " * CONTEXT}], "max_tokens": 5})
    assert status == 400 and "context length" in error["error"]["message"] and error["error"]["code"] == 400, error
    fits = good(base, "/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 10 ** 6, "temperature": 1.0, "seed": 1})
    assert fits["usage"]["total_tokens"] <= CONTEXT
    status, error = call(base, "/v1/chat/completions", {"messages": [], "max_tokens": "context length"})
    assert status == 422, error


with tempfile.TemporaryDirectory() as name:
    make_model(pathlib.Path(name))
    command = (BIN / "verbatim", "serve", "--model", name, "--name", "policy", "--port", "0", "--gym", "--reasoning-parser", "none")
    with server(*command) as (port, _, _):
        url = f"http://127.0.0.1:{port}"
        for check in (http_server, merged_tokens, logprobs_contract, attached_tokens, conversation):
            check(url)
            print(check.__name__, "passed")
    try:
        call(url, "/v1/chat/completions", {})
        sys.exit("still serving after its end")
    except urllib.error.URLError:
        print("refused once it has ended")
