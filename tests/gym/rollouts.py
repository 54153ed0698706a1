#!/usr/bin/env python3
"""NeMo Gym's environments against a running server, and what NeMo RL then asks of every rollout. Runs where nemo_gym is installed.

  rollouts.py URL [--plain URL] [--short URL]

--plain: a server that puts no ids on messages; Gym then asks /tokenize for them. --short: one whose context the prompts of
example_multi_step do not fit in.
"""
import argparse
import asyncio
import importlib.resources
import json
import math

from gym_servers import ENVIRONMENTS, gym
from nemo_gym.server_utils import GlobalAIOHTTPAsyncClientConfig, get_response_json, set_global_aiohttp_client
from nemo_gym.server_utils import request as engine_request
from scripts import AS_TEMPLATE, synonyms, talk, tokenizer, weather


def rows(environment):
    """Gym's own example rows, with the sampling values that NeMo RL stamps on each."""
    lines = (importlib.resources.files("resources_servers") / environment / "data" / "example.jsonl").read_text().splitlines()
    out = [json.loads(line) for line in lines]
    for row in out:
        row["responses_create_params"] |= {"temperature": 1.0, "top_p": 1.0}
    return out


def check_contiguous(items):
    """What NeMo RL asserts (postprocess of its NeMo Gym environment): each call's prompt begins with all that came before it.
    Gives the ids that were sampled, call by call."""
    seen, calls = [], []
    for item in items:
        prompt, sampled, logprobs = (item.get(k) for k in ("prompt_token_ids", "generation_token_ids", "generation_log_probs"))
        if not sampled:
            continue
        assert prompt[:len(seen)] == seen, f"non-contiguous: call {len(calls)} of {len(items)} items\n{seen}\n{prompt}"
        assert len(prompt) > len(seen) and all(type(i) is int for i in prompt + sampled)
        assert len(logprobs) == len(sampled) and all(math.isfinite(x) and -9999 <= x <= 0 for x in logprobs), logprobs
        seen = prompt + sampled
        calls.append(sampled)
    assert calls, f"no generation data: {items}"
    return calls


async def check_logprobs(url, model, items):
    """What a trainer finds: the log-probabilities of one pass over the whole rollout are those that were reported call by call."""
    calls = [item for item in items if item.get("generation_token_ids")]
    start = len(calls[0]["prompt_token_ids"])
    ids = calls[-1]["prompt_token_ids"] + calls[-1]["generation_token_ids"]
    answer = await engine_request("POST", url + "/completions", json={
        "model": model, "prompt": ids[:start], "forced_token_ids": ids[start:], "max_tokens": len(ids) - start, "ignore_eos": True,
        "logprobs": 0, "temperature": 1.0, "top_p": 1.0})
    choice = (await get_response_json(answer))["choices"][0]
    found = choice["logprobs"]["token_logprobs"]
    assert len(found) == len(ids) - start, choice
    for call in calls:
        place = len(call["prompt_token_ids"]) - start
        assert found[place:place + len(call["generation_token_ids"])] == call["generation_log_probs"], (found, call)


async def post(client, server, path, body):
    answer = await client.post(server_name=server, url_path=path, json=body)
    assert answer.ok, f"{server}{path}: {answer.status} {(await answer.text())[:2000]}"
    return await get_response_json(answer)


async def run(client, environment, row, limit, **metadata):
    params = row["responses_create_params"] | {"max_output_tokens": limit, "metadata": metadata}
    return await post(client, environment + "_agent", "/run", row | {"responses_create_params": params})


def summary(result):
    """The rollout in a line."""
    def text(item):
        return {"message": lambda: repr(item["content"][0]["text"]), "reasoning": lambda: "thinks",
                "function_call": lambda: f"{item['name']}({item['arguments']})", "function_call_output": lambda: item["output"]}[item["type"]]()

    items = result["response"]["output"]
    tokens = sum(len(item.get("generation_token_ids") or []) for item in items)
    return f"{tokens} tokens, reward {result['reward']}: " + " | ".join(map(text, items))[:400]


async def scripted(client, environment, plan):
    """Every row with its script: [(name, turns, rollout)]."""
    results = await asyncio.gather(*(run(client, environment, row, limit, script=f"{environment}/{i}")
                                     for i, (row, (_, _, limit)) in enumerate(zip(rows(environment), plan, strict=True))))
    return [(name, turns, result) for (name, turns, _), result in zip(plan, results)]


async def free(client, environment):
    """Every row, with whatever the model says; what Gym's `extra_body` holds goes to the engine."""
    results = await asyncio.gather(*(run(client, environment, row, 48, extra_body=json.dumps({"seed": i})) for i, row in enumerate(rows(environment))))
    return [("free", None, result) for result in results]


async def check_rollouts(engine, environment, rollouts):
    """The ids of a script must come back as they were given, and earn the reward. Gives the ids that were sampled."""
    sampled = []
    for name, turns, result in rollouts:
        print(f"  {environment}, {name}: {summary(result)}")
        items = result["response"]["output"]
        calls = check_contiguous(items)
        sampled.append(calls)
        await check_logprobs(*engine, items)
        if turns:
            assert calls == turns and len(calls) > 1, f"{name}: not the ids that were given\n{turns}\n{calls}"
            assert result["reward"] == 1.0
            assert (result["response"]["incomplete_details"] is not None) == (name == "cut by length"), result["response"]["incomplete_details"]
    return sampled


async def converse(client, engine, plan):
    """A user who goes on after an answer that was cut: only the ids say how the cut turn ends."""
    items, output = [], []
    for said, _, limit in plan:
        items.append({"role": "user", "content": said})
        answer = await post(client, "policy_model", "/v1/responses", {"input": items, "temperature": 1.0, "top_p": 1.0, "max_output_tokens": limit,
                                                                      "metadata": {"script": "talk"}})
        items += answer["output"]
        output += answer["output"]
    assert check_contiguous(output) == [ids for _, ids, _ in plan]
    await check_logprobs(*engine, output)
    print("  conversation: " + " | ".join(repr(item["content"][0]["text"]) for item in output if item["type"] == "message"))


def is_contiguous(result):
    try:
        return bool(check_contiguous(result["response"]["output"]))
    except AssertionError:
        return False


async def check(url, model, control):
    """All of it against one server. Gives what the model said where it was free to."""
    ids = tokenizer(url)
    plans = {"example_single_tool_call": weather(ids), "example_multi_step": synonyms(ids)}
    conversation = talk(ids)
    scripts = {f"{environment}/{i}": turns for environment, plan in plans.items() for i, (_, turns, _) in enumerate(plan)}
    scripts["talk"] = [turn for _, turn, _ in conversation]
    said = []
    async with gym(url, model, scripts) as client:
        for environment, plan in plans.items():
            await check_rollouts((url, model), environment, await scripted(client, environment, plan))
            said += await check_rollouts((url, model), environment, await free(client, environment))
        await converse(client, (url, model), conversation)
    if control:
        async with gym(url, model, scripts, forgetful=True) as client:   # what all this is for, and that it would be found
            for environment, plan in plans.items():
                whole = [name for name, _, result in await scripted(client, environment, plan) if is_contiguous(result)]
                assert whole == [AS_TEMPLATE], whole
        print("  without ids in its requests the same engine breaks every rollout that is not written as the template does")
    return said


async def check_overflow(url, model):
    """A prompt that leaves no room: Gym must take the refusal for an answer cut by length, not for a fault that it retries."""
    async with gym(url, model, {}) as client:
        result = await run(client, "example_multi_step", rows("example_multi_step")[0], 48)
    answer = result["response"]
    assert answer["incomplete_details"] == {"reason": "max_output_tokens"} and result["reward"] == 0, answer
    assert not any(item.get("generation_token_ids") for item in answer["output"]), answer
    print("context too short: the rollout ends, cut by length")


async def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--plain")
    parser.add_argument("--short")
    parser.add_argument("--model", default="policy")
    options = parser.parse_args()
    async with set_global_aiohttp_client(GlobalAIOHTTPAsyncClientConfig()):
        print("ids on messages:")
        said = await check(options.url, options.model, control=True)
        if options.plain:
            print("ids from /tokenize:")
            assert await check(options.plain, options.model, control=False) == said, "the same seeds gave other tokens"
        if options.short:
            await check_overflow(options.short, options.model)


asyncio.run(main())
