"""The trainer's copy of the policy: Qwen3 in numpy, differentiated by autograd, improved by Adam.

Weights have their Hugging Face names throughout. The master copy is float32; what the server gets is rounded to bfloat16,
and gradients are taken at those rounded weights: the policy that is improved is the one that sampled.
"""
import json
import pathlib

import autograd.numpy as np
import ml_dtypes
import numpy
from autograd import value_and_grad
from autograd.tracer import getval
from safetensors.numpy import load_file, save


def rms_norm(x, weight, epsilon):
    return x * (np.mean(x * x, axis=-1, keepdims=True) + epsilon) ** -0.5 * weight


def rotary(length, head, base):
    """cos and sin of every position [length, head], and the matrix that maps (a, b), the halves of a head, to (-b, a)."""
    angle = numpy.outer(numpy.arange(length), base ** (-numpy.tile(numpy.arange(0, head, 2), 2) / head))
    one, none = numpy.eye(head // 2), numpy.zeros((head // 2, head // 2))
    return [x.astype(numpy.float32) for x in (numpy.cos(angle), numpy.sin(angle), numpy.block([[none, one], [-one, none]]))]


class Policy:
    """A Qwen3 checkpoint with tied embeddings, in one safetensors file."""

    def __init__(self, folder, learning_rate, clip=0.2):
        folder = pathlib.Path(folder)
        self.config = json.loads((folder / "config.json").read_text())
        self.master = {name: w.astype(numpy.float32) for name, w in load_file(folder / "model.safetensors").items()}
        self.learning_rate, self.clip, self.steps = learning_rate, clip, 0
        self.moments = {name: (numpy.zeros_like(w), numpy.zeros_like(w)) for name, w in self.master.items()}

    def rounded(self):
        return {name: w.astype(ml_dtypes.bfloat16) for name, w in self.master.items()}

    def safetensors(self):
        """The rounded weights as the bytes of a safetensors file: what the server is refitted with."""
        return save(self.rounded())

    def hidden(self, w, ids):
        """Final hidden states [batch, length, hidden] of token ids [batch, length], padded on the right."""
        c, (batch, length) = self.config, ids.shape
        head, heads, kv_heads, epsilon = c["head_dim"], c["num_attention_heads"], c["num_key_value_heads"], c["rms_norm_eps"]
        cos, sin, turn = rotary(length, head, c["rope_theta"])
        future = numpy.triu(numpy.full((length, length), -1e9, numpy.float32), 1)
        split = lambda x: np.swapaxes(np.reshape(x, (batch, length, -1, head)), 1, 2)
        rotate = lambda x: x * cos + x @ turn * sin
        x = w["model.embed_tokens.weight"][ids]
        for layer in range(c["num_hidden_layers"]):
            of = lambda name: w[f"model.layers.{layer}.{name}.weight"]
            h = rms_norm(x, of("input_layernorm"), epsilon)
            q = rotate(rms_norm(split(h @ of("self_attn.q_proj").T), of("self_attn.q_norm"), epsilon))
            k = rotate(rms_norm(split(h @ of("self_attn.k_proj").T), of("self_attn.k_norm"), epsilon))
            v = split(h @ of("self_attn.v_proj").T)
            q = np.reshape(q, (batch, kv_heads, heads // kv_heads, length, head))  # a group of queries per key-value head
            scores = q @ np.swapaxes(k, 2, 3)[:, :, None] * numpy.float32(head ** -0.5) + future
            weights = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
            mixed = weights / np.sum(weights, axis=-1, keepdims=True) @ v[:, :, None]
            mixed = np.swapaxes(np.reshape(mixed, (batch, heads, length, head)), 1, 2)
            x = x + np.reshape(mixed, (batch, length, -1)) @ of("self_attn.o_proj").T
            h = rms_norm(x, of("post_attention_layernorm"), epsilon)
            gate = h @ of("mlp.gate_proj").T
            x = x + (gate / (1 + np.exp(-gate)) * (h @ of("mlp.up_proj").T)) @ of("mlp.down_proj").T
        return rms_norm(x, w["model.norm.weight"], epsilon)

    def log_probs(self, w, ids, response_mask):
        """log p of the tokens ids[response_mask], row after row, each given what is before it in its row (never nothing)."""
        rows, columns = numpy.nonzero(response_mask)
        logits = self.hidden(w, ids)[rows, columns - 1] @ w["model.embed_tokens.weight"].T
        logits = logits - np.max(logits, axis=-1, keepdims=True)
        return logits[numpy.arange(len(rows)), ids[response_mask]] - np.log(np.sum(np.exp(logits), axis=-1))

    def gradient(self, w, ids, response_mask, old, advantages):
        """The clipped policy gradient, summed over tokens, and the trainer's own log-probabilities of them.

        `old` are the tokens' log-probabilities as the server sampled them, `advantages` those of their samples.
        """
        own = []

        def loss(w):
            new = self.log_probs(w, ids, response_mask)
            own.append(getval(new))
            ratio = np.exp(new - old)
            return -np.sum(np.minimum(ratio * advantages, np.clip(ratio, 1 - self.clip, 1 + self.clip) * advantages))

        return value_and_grad(loss)(w)[1], own[0]

    def improve(self, gradient, betas=(0.9, 0.95), epsilon=1e-8, largest=1.0):
        """One step of Adam along the gradient, its norm clipped."""
        scale = min(1.0, largest / (float(numpy.sqrt(sum(numpy.vdot(g, g) for g in gradient.values()))) + 1e-12))
        self.steps += 1
        unbias = [1 - beta ** self.steps for beta in betas]
        for name, g in gradient.items():
            mean, square = self.moments[name]
            mean += (1 - betas[0]) * (scale * g - mean)
            square += (1 - betas[1]) * ((scale * g) ** 2 - square)
            self.master[name] -= self.learning_rate * (mean / unbias[0]) / (numpy.sqrt(square / unbias[1]) + epsilon)
