#!/usr/bin/env python3
"""Make tiny random checkpoints of every supported architecture, with what `transformers` computes from them.

Writes OUT/<name>/ for each model:
  config.json, generation_config.json, model.safetensors   (or shards and model.safetensors.index.json)
  reference.json          {"ids": [...]} of the recorded prompt, {"sampled_ids": [[...], ...]} of sampled sequences, versions
  reference.safetensors   "logits" [positions, vocabulary] F32: eager attention in f32 on the CPU, every position;
                          bf16 models also "logprobs" [sequences, length - 1] F32: log_softmax in f32 of the logits of the
                          model run in bf16 on the CPU, of each token after the first; "logprobs_f32": the same from the
                          same weights run in f32.
The sequences are sampled from the bf16 model itself at temperature 1.  Weights are realistic: logits with a spread of a
few units, attention that is far from uniform, norm weights and biases that are neither ones nor zeros.  For every model
the script also checks that the features it is there to test change the logits (`probe`), so that the fixture can fail.

Needs torch, transformers and safetensors.  Example: make_models.py --out tests/fixtures/models
"""
import argparse
import copy
import json
import math
import pathlib
import shutil
import tempfile

import safetensors.torch
import torch
import transformers
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config

POSITIONS = 40          # of the recorded prompt
SEQUENCES, LENGTH = 20, 128

DEFAULT = {"rope_type": "default", "rope_theta": 10000.0}
LLAMA3 = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
          "high_freq_factor": 4.0, "original_max_position_embeddings": 128}
LINEAR = {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}

SMALL = dict(vocab_size=192, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
             max_position_embeddings=256, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2, pad_token_id=None)
BASE = dict(SMALL, vocab_size=256, hidden_size=48, intermediate_size=96)


def qwen2(**more):
    return Qwen2Config(**{**BASE, "num_attention_heads": 3, "num_key_value_heads": 1, "tie_word_embeddings": True,
                          "rms_norm_eps": 1e-6, "rope_parameters": dict(DEFAULT, rope_theta=1000000.0), **more})


def qwen3(**more):
    return Qwen3Config(**{**BASE, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32,
                          "tie_word_embeddings": True, "rms_norm_eps": 1e-6,
                          "rope_parameters": dict(DEFAULT, rope_theta=1000000.0), **more})


def llama3():
    return LlamaConfig(**dict(BASE, num_attention_heads=4, num_key_value_heads=2, head_dim=16, max_position_embeddings=1024,
                              intermediate_size=88, vocab_size=259, rope_parameters=LLAMA3, tie_word_embeddings=False))


def mistral():
    return MistralConfig(**dict(BASE, num_attention_heads=4, num_key_value_heads=2, head_dim=16, sliding_window=16,
                                rope_parameters=DEFAULT, tie_word_embeddings=False))


def linear():
    return LlamaConfig(**dict(SMALL, num_key_value_heads=1, rope_parameters=LINEAR, tie_word_embeddings=True))


# name: (config, dtype, config.json as transformers 4 wrote it?, shards, spread of the logits, probes)
# A probe is (field of the config, other value): with it the logits must differ, else the fixture tests nothing.
MODELS = {
    "llama2-mha": (LlamaConfig(**dict(BASE, vocab_size=192, num_attention_heads=3, num_key_value_heads=3, rope_parameters=DEFAULT,
                                      tie_word_embeddings=False)), "float32", True, 1, 3, [("rms_norm_eps", 1e-2)]),
    "llama3-gqa": (llama3(), "float32", False, 1, 3, [("rope_parameters", dict(DEFAULT, rope_theta=500000.0))]),
    "llama-mqa": (LlamaConfig(**dict(SMALL, num_attention_heads=4, num_key_value_heads=1, head_dim=16, rope_parameters=DEFAULT,
                                     attention_bias=True, tie_word_embeddings=True)), "float32", True, 1, 3,
                  [("rope_parameters", dict(DEFAULT, rope_theta=20000.0)), ("attention_bias", False)]),
    "llama-linear": (linear(), "float32", True, 1, 3, [("rope_parameters", DEFAULT)]),
    "mistral": (mistral(), "float32", True, 1, 3, [("sliding_window", None), ("sliding_window", 15), ("sliding_window", 17)]),
    "qwen2": (qwen2(), "float32", False, 1, 3, [("rope_parameters", DEFAULT)]),
    "qwen2-window": (qwen2(**dict(SMALL, num_hidden_layers=3, num_attention_heads=2, use_sliding_window=True, sliding_window=12,
                                  max_window_layers=1)), "float32", True, 1, 3,
                     [("layer_types", ["full_attention"] * 3), ("layer_types", ["sliding_attention"] * 3),
                      ("sliding_window", 13)]),
    "qwen3": (qwen3(), "float32", False, 1, 3, [("rope_parameters", DEFAULT)]),
    "llama3-gqa-bf16": (llama3(), "bfloat16", False, 1, 0.8, []),
    "mistral-bf16": (mistral(), "bfloat16", True, 1, 0.8, []),
    "qwen2-bf16": (qwen2(), "bfloat16", False, 1, 0.8, []),
    "qwen3-bf16": (qwen3(), "bfloat16", True, 1, 0.6, []),
    "llama-linear-f16": (linear(), "float16", False, 1, 3, []),
    "qwen3-sharded": (qwen3(**dict(SMALL, head_dim=32)), "bfloat16", False, 3, 3, []),
}


def fill(model, spread, generator):
    """Seeded weights: random norms and biases, attention far from uniform, logits of std `spread`.

    Below a spread of 1 (the models run in bf16) the gains are smaller, so that the rounding noise of transformers' own
    bf16 run, which grows with them, stays well under what is compared.
    """
    def normal(p, std):
        p.copy_(torch.randn(p.shape, generator=generator) * std)

    c = model.config
    calm = 0.6 if spread < 1 else 1
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if name.endswith("norm.weight") or "layernorm" in name:
                p.copy_(0.6 + 0.8 * torch.rand(p.shape, generator=generator))
            elif name.endswith(".bias"):
                normal(p, 0.5 * calm)
            elif "embed_tokens" in name:
                normal(p, spread / math.sqrt(c.hidden_size) if c.tie_word_embeddings else 1.0)
            elif "lm_head" in name:
                normal(p, spread / math.sqrt(c.hidden_size))
            else:
                gain = 1.7 if "q_proj" in name or "k_proj" in name else 1.3
                normal(p, calm * gain / math.sqrt(p.shape[1]))


def config_of_version_4(config):
    """The same config.json as transformers 4 wrote it: rope_theta, rope_scaling and torch_dtype at the top level."""
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype")
    config.pop("layer_types", None)
    config["transformers_version"] = "4.51.0"
    return config


def load(path, dtype):
    return AutoModelForCausalLM.from_pretrained(path, dtype=dtype, attn_implementation="eager").eval()


def logits_of(model, ids):
    with torch.no_grad():
        return model(torch.tensor(ids), use_cache=False).logits.float()


def sample(model, generator):
    """SEQUENCES sequences of LENGTH tokens, drawn from the model at temperature 1 after a random first token."""
    ids = torch.randint(3, model.config.vocab_size, (SEQUENCES, 1), generator=generator)
    cache = transformers.DynamicCache(config=model.config)
    with torch.no_grad():
        while ids.shape[1] < LENGTH:
            out = model(ids[:, -1:], past_key_values=cache, use_cache=True)
            ids = torch.cat([ids, torch.multinomial(out.logits[:, -1].float().softmax(-1), 1, generator=generator)], 1)
    return ids


def logprobs_of(model, ids):
    return logits_of(model, ids.tolist())[:, :-1].log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0].contiguous()


def probe(path, config, ids, logits, probes):
    for field, value in probes:
        other = copy.deepcopy(config)
        other[field] = value
        with tempfile.TemporaryDirectory() as scratch:
            for file in path.glob("*.safetensors"):
                shutil.copy(file, scratch)
            pathlib.Path(scratch, "config.json").write_text(json.dumps(other))
            difference = (logits_of(load(scratch, torch.float32), [ids])[0] - logits).abs().max().item()
        print(f"  with {field} = {value}: logits differ by up to {difference:.3g}")
        assert difference > 0.02, f"{path.name}: {field} is not felt"


def make(out, name, spec, seed):
    config, dtype, old, shards, spread, probes = spec
    path = out / name
    shutil.rmtree(path, ignore_errors=True)
    generator = torch.Generator().manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    fill(model, spread, generator)
    model = model.to(getattr(torch, dtype))
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    model.save_pretrained(path, max_shard_size=size + 1 if shards == 1 else math.ceil(size / (shards - 0.5)))
    (path / "generation_config.json").write_text(
        json.dumps({"bos_token_id": 1, "eos_token_id": [2, 3] if shards > 1 else 2, "do_sample": True,
                    "temperature": 0.7, "top_p": 0.9, "top_k": 20}, indent=2) + "\n")
    config = json.loads((path / "config.json").read_text())
    full = copy.deepcopy(config)
    if old:
        config = config_of_version_4(config)
    (path / "config.json").write_text(json.dumps(config, indent=2) + "\n")

    ids = torch.randint(0, config["vocab_size"], (POSITIONS,), generator=generator).tolist()
    f32 = load(path, torch.float32)
    logits = logits_of(f32, [ids])[0]
    assert torch.equal(logits, logits_of(f32, [ids])[0])
    print(f"{name}: {sum(p.numel() for p in f32.parameters())} parameters, logits std {logits.std():.2f}, "
          f"max {logits.abs().max():.2f}")
    tensors = {"logits": logits}
    reference = {"ids": ids, "torch": torch.__version__, "transformers": transformers.__version__, "attention": "eager",
                 "logits_computed_in": "float32"}
    if dtype == "bfloat16" and shards == 1:
        half = load(path, torch.bfloat16)
        sampled = sample(half, generator)
        tensors["logprobs"], tensors["logprobs_f32"] = logprobs_of(half, sampled), logprobs_of(f32, sampled)
        distance = (tensors["logprobs"] - tensors["logprobs_f32"]).abs().exp().mean().item()
        reference |= {"sampled_ids": sampled.tolist(), "logprobs_computed_in": "bfloat16",
                      "mean_exp_abs_difference_bf16_f32": distance}
        print(f"  {tensors['logprobs'].numel()} sampled tokens, mean logprob {tensors['logprobs'].mean():.2f}, "
              f"mean exp abs difference bf16 to f32: {distance:.5f}")
    probe(path, full, ids, logits, probes)
    safetensors.torch.save_file(tensors, path / "reference.safetensors", metadata={"format": "pt"})
    (path / "reference.json").write_text(json.dumps(reference) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--only", help="a comma-separated list of names")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for seed, (name, spec) in enumerate(MODELS.items()):
        if not arguments.only or name in arguments.only.split(","):
            make(arguments.out, name, spec, 1000 + seed)


if __name__ == "__main__":
    main()
