"""What only an engine that samples does."""
from openai_harness import *  # noqa: F403


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
