"""Trains tiny-chat from nothing on one CPU core and writes the checkpoint next to this file.

    python train.py                                            # the committed model:
    python train.py --resume --seed 2 --lr 2e-3 --steps 1150   # two rounds
    python train.py --steps 400 --out /tmp/tiny                # a quick look

Tokenizer, data, weights and order all come from --seed. Matrices are trained by Muon, the
rest by AdamW; weights are float32 while training and bfloat16 in the checkpoint.
"""

import argparse
import json
import math
import multiprocessing
import os
import pathlib
import random
import shutil
import time

# Large buffers are kept, not returned to the system after every operation (read when the process starts).
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "100000000000", "TOKENIZERS_PARALLELISM": "false"}
if __name__ == "__main__" and any(os.environ.get(k) != v for k, v in KEEP.items()):
    os.environ.update(KEEP)
    os.execv(os.sys.executable, [os.sys.executable, *os.sys.argv])

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AttentionInterface, PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from make_data import Maker

HERE = pathlib.Path(__file__).resolve().parent
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
MARKS = ["<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>"]
SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
         r"|\s*[\r\n]+|\s+(?!\S)|\s+")
VOCABULARY = 1024
CONTEXT = 2048


def make_tokenizer(out, seed):
    """Trains the byte-level BPE tokenizer and writes its files."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY - len(SPECIAL + MARKS), show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    shutil.copy(HERE / "chat_template.jinja", out) if out != HERE else None
    render = PreTrainedTokenizerFast(tokenizer_object=tokenizer, chat_template=(HERE / "chat_template.jinja").read_text())
    maker = Maker(seed)
    texts = [render.apply_chat_template(c["messages"], tools=c["tools"], tokenize=False) for c in (maker.conversation() for _ in range(12000))]
    for mark in SPECIAL + MARKS:
        texts = [t.replace(mark, "\n") for t in texts]
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens([AddedToken(m, special=False, normalized=False) for m in MARKS])
    tokenizer.save(str(out / "tokenizer.json"))
    ids = {str(tokenizer.token_to_id(t)): {"content": t, "lstrip": False, "normalized": False, "rstrip": False,
                                           "single_word": False, "special": t in SPECIAL} for t in SPECIAL + MARKS}
    (out / "tokenizer_config.json").write_text(json.dumps({
        "add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": ids, "bos_token": None,
        "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace", "model_max_length": CONTEXT,
        "pad_token": "<|endoftext|>", "split_special_tokens": False, "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": None}, indent=2) + "\n")


def load_tokenizer(out):
    return PreTrainedTokenizerFast.from_pretrained(out)


def attention(module, q, k, v, mask, scaling=None, dropout=0.0, **kwargs):
    """Causal attention in float32 (its bfloat16 backward is slow on a CPU); rows are padded on the right, so no mask."""
    with torch.autocast("cpu", enabled=False):
        out = torch.nn.functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=True, scale=scaling, enable_gqa=True)
    return out.transpose(1, 2).contiguous(), None


AttentionInterface.register("float32_causal", attention)


def make_model(tokenizer):
    token = tokenizer.convert_tokens_to_ids
    config = Qwen3Config(
        vocab_size=VOCABULARY, hidden_size=192, intermediate_size=512, num_hidden_layers=5, num_attention_heads=6,
        num_key_value_heads=2, head_dim=32, max_position_embeddings=CONTEXT, rms_norm_eps=1e-6, tie_word_embeddings=True,
        rope_theta=10000.0, initializer_range=0.02, bos_token_id=None, eos_token_id=token("<|im_end|>"), pad_token_id=token("<|endoftext|>"),
        attn_implementation="float32_causal", use_cache=False)
    return Qwen3ForCausalLM(config)


def targets_of(ids, start, assistant, newline, end, empty_think):
    """The next token where the assistant speaks, else -100. An empty think block is given, not spoken."""
    targets, i = [-100] * len(ids), 0
    while i < len(ids):
        if ids[i] == start and ids[i + 1:i + 1 + len(assistant)] == assistant:
            i += 1 + len(assistant)
            if ids[i:i + len(empty_think)] == empty_think:
                i += len(empty_think)
            while True:
                targets[i - 1] = ids[i]
                if ids[i] == end:
                    break
                i += 1
        i += 1
    return targets


def make_batches(out, seed, tokens, queue):
    """Endless batches of about `tokens` tokens, rows of like length together."""
    torch.set_num_threads(1)
    tokenizer, maker, rng = load_tokenizer(out), Maker(seed), random.Random(seed)
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False)
    token = tokenizer.convert_tokens_to_ids
    marks = token("<|im_start|>"), encode("assistant\n"), encode("\n"), token("<|im_end|>"), encode("<think>\n\n</think>\n\n")
    while True:
        rows = []
        while len(rows) < 1500:
            c = maker.conversation()
            ids = encode(tokenizer.apply_chat_template(c["messages"], tools=c["tools"], tokenize=False))[:512]
            if marks[3] in ids[-2:]:
                rows.append((ids, targets_of(ids, *marks)))
        rows.sort(key=lambda row: len(row[0]) + rng.random())
        batches = []
        while rows:
            width = -(-len(rows[-1][0]) // 16) * 16
            take, rows = rows[-max(1, tokens // width):], rows[:-max(1, tokens // width)]
            pad = lambda row, fill: row + [fill] * (width - len(row))
            batches.append((torch.tensor([pad(i, marks[3]) for i, _ in take]), torch.tensor([pad(t, -100) for _, t in take])))
        rng.shuffle(batches)
        for x, y in batches[:-1]:
            queue.put((x.numpy(), y.numpy()))


def save(model, tokenizer, out):
    """Writes the bfloat16 checkpoint and its generation settings."""
    copy = Qwen3ForCausalLM(model.config)
    copy.load_state_dict(model.state_dict())
    copy = copy.to(torch.bfloat16)
    copy.config.use_cache = True
    end, pad = model.config.eos_token_id, model.config.pad_token_id
    copy.generation_config = type(copy.generation_config)(do_sample=True, temperature=0.6, top_p=0.95, top_k=20, eos_token_id=[end, pad], pad_token_id=pad)
    copy.save_pretrained(out)
    config = json.loads((out / "config.json").read_text())
    config["rope_theta"] = config["rope_parameters"]["rope_theta"]  # also where older readers look for it
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (out / "model.safetensors").chmod(0o644)
    model.config.use_cache = False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--tokens", type=int, default=4096, help="tokens in a batch")
    parser.add_argument("--lr", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out, with another --seed")
    parser.add_argument("--check", type=int, default=1000, help="steps between measurements")
    a = parser.parse_args()
    torch.manual_seed(a.seed)
    torch.set_num_threads(1)
    a.out.mkdir(parents=True, exist_ok=True)
    if not a.resume:
        make_tokenizer(a.out, a.seed)
    tokenizer = load_tokenizer(a.out)
    queue = multiprocessing.Queue(maxsize=64)
    multiprocessing.Process(target=make_batches, args=(a.out, a.seed + 1, a.tokens, queue), daemon=True).start()

    model = make_model(tokenizer)
    if a.resume:
        model.load_state_dict(Qwen3ForCausalLM.from_pretrained(a.out, dtype=torch.float32).state_dict())
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    optimizers = [torch.optim.Muon(matrices, lr=a.lr, momentum=0.95, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
                  torch.optim.AdamW(others, lr=a.lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)]
    print(f"parameters {sum(p.numel() for p in model.parameters())}", flush=True)
    body = torch.compile(model.model, dynamic=True)
    began, seen, mean = time.time(), 0, None
    for step in range(1, a.steps + 1):
        warm = min(1.0, step / 100)
        rate = warm * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / a.steps)))
        x, y = (torch.from_numpy(t) for t in queue.get())
        with torch.autocast("cpu", torch.bfloat16):
            hidden = body(input_ids=x, use_cache=False).last_hidden_state
            logits = model.lm_head(hidden[y >= 0])
        loss = torch.nn.functional.cross_entropy(logits.float(), y[y >= 0])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = a.lr * rate
            optimizer.step()
            optimizer.zero_grad()
        seen += x.numel()
        mean = loss.item() if mean is None else 0.97 * mean + 0.03 * loss.item()
        if step % 50 == 0:
            print(f"step {step} loss {mean:.4f} tokens {seen / 1e6:.2f}M rate {seen / (time.time() - began):.0f}/s time {time.time() - began:.0f}s", flush=True)
        if step % a.check == 0 or step == a.steps:
            save(model, tokenizer, a.out)
            from evaluate import Local, measure
            print(json.dumps(measure(Local(a.out, torch.float32), 40)), flush=True)
    print(f"trained in {time.time() - began:.0f}s on {seen / 1e6:.1f}M tokens", flush=True)


if __name__ == "__main__":
    main()
