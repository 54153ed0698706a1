#!/usr/bin/env python3
"""What PyTorch does with the same shapes on the same machine: random-weight transformers models in bf16, as JSON lines.

  benchmarks/peers/torch_transformers.py --config benchmarks/shapes/NAME.json [--batch 1,64,256] [--context 1040] [--prefill 2048]
                                         [--modes eager,graph,compile] [--device cuda]
  benchmarks/peers/torch_transformers.py --ops [--config ...]     linear layers by torch.matmul, causal attention by SDPA

Made so that PyTorch looks well: decoding is the forward pass and argmax alone, over a static cache that is exactly full, so that
attention needs no mask and heads are grouped without copies; `graph` replays the step as a CUDA graph, `compile` compiles the model
first (torch.compile) and replays that. Nothing is sampled. Figures are medians over --repetitions with the least and most beside them.
A row that cannot be measured has "failed" with the reason. Needs torch and transformers >= 5; --device cpu is for trying it out.
"""
import argparse
import functools
import gc
import json
import pathlib
import statistics
import time

import torch


def emit(**row):
    print(json.dumps(row), flush=True)


def seconds_of(run, device, repetitions, calls=1):
    """[seconds of one of `calls` that a run makes], a run after two that warm up."""
    def wait():
        if device == "cuda":
            torch.cuda.synchronize()
    out = []
    for i in range(-2, repetitions):
        wait()
        start = time.perf_counter()
        run()
        wait()
        if i >= 0:
            out.append((time.perf_counter() - start) / calls)
    return out


def spread(seconds):
    return {"seconds": statistics.median(seconds), "least": min(seconds), "most": max(seconds), "repetitions": len(seconds)}


def graph_of(run):
    """`run` as a CUDA graph: what a replay needs no launches for."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    return graph


def free():
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


# ---- models -------------------------------------------------------------------------------------------------------------------

def load(path, device):
    """The model with random weights. Its attention is SDPA without masks: none is needed, since every cached key is visible."""
    import transformers
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    transformers.utils.logging.set_verbosity_error()
    transformers.AttentionInterface.register("unmasked", lambda module, q, k, v, mask, **more: sdpa_attention_forward(module, q, k, v, None, **more))
    text = json.loads(path.read_text())
    config = transformers.AutoConfig.for_model(text.pop("model_type"), **text)
    torch.manual_seed(0)
    with torch.device(device):
        return transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, attn_implementation="unmasked").eval()


@functools.cache
def full_layer():
    """A layer of a static cache that is full but for its last place, which each step writes."""
    from transformers.cache_utils import StaticLayer

    class FullLayer(StaticLayer):
        def update(self, keys, values, *args, **kwargs):
            self.keys[:, :, -1:].copy_(keys)
            self.values[:, :, -1:].copy_(values)
            return self.keys, self.values

        def get_seq_length(self):
            return self.max_cache_len - 1

    return FullLayer


def full_cache(model, batch, context, device):
    """A static cache of `context` places with random keys and values."""
    from transformers.cache_utils import StaticCache
    c = model.config
    head_dim = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    cache = StaticCache(config=c, max_cache_len=context)
    cache.layers = [full_layer()(context) for _ in range(c.num_hidden_layers)]
    example = torch.zeros(batch, c.num_key_value_heads, 1, head_dim, dtype=torch.bfloat16, device=device)
    for layer in cache.layers:
        layer.lazy_initialization(example, example)
        layer.keys.normal_()
        layer.values.normal_()
    return cache


def decode(name, model, mode, batch, context, a):
    cache = full_cache(model, batch, context, a.device)
    ids = torch.randint(0, model.config.vocab_size, (batch, 1), device=a.device)
    position = torch.full((1, 1), context - 1, device=a.device)
    forward = torch.compile(model, dynamic=False) if mode == "compile" else model

    def step():
        logits = forward(input_ids=ids, position_ids=position, past_key_values=cache, use_cache=True).logits
        ids.copy_(logits[:, -1:].argmax(-1))
    run = step
    if a.device == "cuda" and mode != "eager":
        run = graph_of(step).replay

    def steps():
        for _ in range(a.steps):
            run()
    t = spread(seconds_of(steps, a.device, a.repetitions, a.steps))
    emit(what="decode", shape=name, mode=mode, batch=batch, context=context, tokens_per_second=batch / t["seconds"], **t)


def prefill(name, model, mode, tokens, a):
    ids = torch.randint(0, model.config.vocab_size, (1, tokens), device=a.device)
    forward = torch.compile(model, dynamic=False) if mode == "compile" else model

    def run():
        forward(input_ids=ids, use_cache=True, logits_to_keep=1).logits.argmax(-1)
    t = spread(seconds_of(run, a.device, a.repetitions))
    emit(what="prefill", shape=name, mode=mode, batch=1, prompt=tokens, tokens_per_second=tokens / t["seconds"], **t)


def models(a):
    for path in a.config:
        model = load(path, a.device)
        for mode in a.modes.split(","):
            jobs = [] if mode == "graph" else [("prefill", {"prompt": n}, lambda n=n: prefill(path.stem, model, mode, n, a)) for n in numbers(a.prefill)]
            if a.device != "cpu" or mode != "graph":
                jobs += [("decode", {"batch": n, "context": a.context}, lambda n=n: decode(path.stem, model, mode, n, a.context, a)) for n in numbers(a.batch)]
            for what, of, job in jobs:
                try:
                    job()
                except Exception as e:   # an operator that cannot be captured, memory that is short: the other rows are still wanted
                    emit(what=what, shape=path.stem, mode=mode, **of, failed=f"{type(e).__name__}: {e}"[:300])
                free()
        del model
        free()


# ---- operators ----------------------------------------------------------------------------------------------------------------

def matmul(name, layer, n, k, rows, a):
    """rows x k times k x n, over as many weights in turn as no cache holds."""
    copies = max(1, min(64, (256 << 20) // (2 * n * k))) if a.device == "cuda" else 1
    weights = [torch.randn(n, k, dtype=torch.bfloat16, device=a.device) for _ in range(copies)]
    x = torch.randn(rows, k, dtype=torch.bfloat16, device=a.device)
    out = torch.empty(rows, n, dtype=torch.bfloat16, device=a.device)

    def run():
        for w in weights:
            torch.matmul(x, w.t(), out=out)
    t = spread(seconds_of(graph_of(run).replay if a.device == "cuda" else run, a.device, a.repetitions, copies))
    emit(what="matmul", shape=name, layer=layer, outputs=n, inputs=k, rows=rows, bytes=2 * (n * k + rows * (n + k)), flop=2 * rows * n * k, **t)


def attention(tokens, heads, kv_heads, head_dim, a):
    q = torch.randn(1, heads, tokens, head_dim, dtype=torch.bfloat16, device=a.device)
    k, v = (torch.randn(1, kv_heads, tokens, head_dim, dtype=torch.bfloat16, device=a.device) for _ in range(2))
    t = spread(seconds_of(lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=heads != kv_heads), a.device, a.repetitions))
    emit(what="attention", tokens=tokens, heads=heads, kv_heads=kv_heads, head_dim=head_dim, flop=2 * heads * head_dim * tokens * (tokens + 1), **t)


def ops(a):
    for path in a.config:
        c = json.loads(path.read_text())
        hidden, width, heads, kv = c["hidden_size"], c["intermediate_size"], c["num_attention_heads"], c["num_key_value_heads"]
        head_dim = c.get("head_dim") or hidden // heads
        layers = {"qkv": ((heads + 2 * kv) * head_dim, hidden), "o": (hidden, heads * head_dim), "gate_up": (2 * width, hidden), "down": (hidden, width),
                  "head": (c["vocab_size"], hidden)}
        for layer, (n, k) in layers.items():
            for rows in numbers(a.rows):
                try:
                    matmul(path.stem, layer, n, k, rows, a)
                except Exception as e:
                    emit(what="matmul", shape=path.stem, layer=layer, rows=rows, failed=f"{type(e).__name__}: {e}"[:300])
            free()
    for tokens in numbers(a.attention):
        try:
            attention(tokens, 32, 8, 128, a)
        except Exception as e:
            emit(what="attention", tokens=tokens, failed=f"{type(e).__name__}: {e}"[:300])


def numbers(text):
    return [int(n) for n in text.split(",") if n]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--config", type=pathlib.Path, action="append", default=[], help="a config.json; may be given again")
    p.add_argument("--ops", action="store_true", help="operators, not models")
    p.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    p.add_argument("--modes", default="eager,graph")
    p.add_argument("--batch", default="1,64,256")
    p.add_argument("--context", type=int, default=1040, help="keys that a decoded token sees")
    p.add_argument("--prefill", default="2048")
    p.add_argument("--steps", type=int, default=16, help="of a repetition of decoding")
    p.add_argument("--rows", default="1,64,256,2048", help="of the products")
    p.add_argument("--attention", default="8192", help="tokens of the causal attention: 32 heads on 8 of keys, of 128")
    p.add_argument("--repetitions", type=int, default=5)
    a = p.parse_args()
    about = {"what": "versions", "torch": torch.__version__, "cuda": torch.version.cuda, "device": torch.cuda.get_device_name() if a.device == "cuda" else "cpu"}
    if not a.ops:
        import transformers
        about["transformers"] = transformers.__version__
    emit(**about)
    with torch.no_grad():
        (ops if a.ops else models)(a)


if __name__ == "__main__":
    main()
