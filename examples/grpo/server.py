"""The four calls that a trainer makes of the server: tokenize, sample, score, refit."""
import json
import urllib.error
import urllib.request


class Sample:
    """One continuation: the ids that were prefilled and sampled, and the log-probability of each sampled one."""

    def __init__(self, choice):
        self.prompt, self.ids, self.text = choice["prompt_token_ids"], choice["token_ids"], choice["text"]
        self.ended = choice["finish_reason"] == "stop"
        self.log_probs = choice["logprobs"]["token_logprobs"]
        self.versions = choice["weight_versions"]


class Server:
    def __init__(self, url, key=None):
        self.url, self.key = url.rstrip("/"), key
        self.version = None  # of the weights that it was last given

    def post(self, path, body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data, headers), timeout=300) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise SystemExit(f"{path}: {refused.code} {refused.read().decode(errors='replace')}")

    def tokenize(self, question):
        """The ids of a conversation's start, by the model's chat template."""
        return self.post("/tokenize", {"messages": [{"role": "user", "content": question}]})["tokens"]

    def sample(self, prompts, count, seed, max_tokens=64):
        """`count` samples of every prompt, at temperature 1 from the whole distribution: that which `score` reports."""
        answer = self.post("/v1/completions", {
            "prompt": prompts, "n": count, "seed": seed, "max_tokens": max_tokens, "temperature": 1, "top_p": 1, "top_k": 0,
            "logprobs": 0, "return_token_ids": True})
        samples = [Sample(choice) for choice in sorted(answer["choices"], key=lambda choice: choice["index"])]
        assert [s.prompt for s in samples] == [p for p in prompts for _ in range(count)], "a sample is missing"
        assert sum(len(s.ids) for s in samples) == answer["usage"]["completion_tokens"], "a token was lost"
        for s in samples:
            assert len(s.log_probs) == len(s.ids)
            assert s.versions == [{"version": self.version, "start": 0, "end": len(s.ids)}], f"weights {self.version} expected: {s.versions}"
        return samples

    def score(self, samples):
        """The log-probabilities of the same tokens again, from one forward pass over each whole sequence."""
        answer = self.post("/v1/completions", {"prompt": [s.prompt + s.ids for s in samples], "max_tokens": 0, "prompt_logprobs": 0})
        choices = sorted(answer["choices"], key=lambda choice: choice["index"])
        return [[found[str(token)]["logprob"] for token, found in zip(s.ids, c["prompt_logprobs"][len(s.prompt):], strict=True)]
                for s, c in zip(samples, choices, strict=True)]

    def refit(self, safetensors, version):
        """Replaces the weights in place; whatever is asked afterwards is answered with them."""
        self.post(f"/update_weights?weight_version={version}&kv_policy=recompute", safetensors, "application/x-safetensors")
        self.version = str(version)
