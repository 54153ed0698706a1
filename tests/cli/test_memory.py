#!/usr/bin/env python3
"""What an engine holds of main memory is its weights and its keys and values: a checkpoint is packed, and its pages are given back.
The checkpoint has 280 MB of zeros, which take no room on the disk: it is the sizes that count here."""
import json
import pathlib
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "server"))
from running import BIN, skip_all  # noqa: E402

HIDDEN, LAYERS, INTERMEDIATE, VOCABULARY, HEADS, KV_HEADS, HEAD_DIM = 1024, 12, 2816, 4096, 8, 2, 128
MOST = 1.15   # times weights and keys and values: the promise
PROCESS = 24e6   # bytes that the program takes whatever the model is; of the smallest model here that is above the promise


def shapes():
    yield "model.embed_tokens.weight", [VOCABULARY, HIDDEN]
    for i in range(LAYERS):
        layer = f"model.layers.{i}."
        for name, rows, columns in (("self_attn.q_proj", HEADS * HEAD_DIM, HIDDEN), ("self_attn.k_proj", KV_HEADS * HEAD_DIM, HIDDEN),
                                    ("self_attn.v_proj", KV_HEADS * HEAD_DIM, HIDDEN), ("self_attn.o_proj", HIDDEN, HEADS * HEAD_DIM),
                                    ("mlp.gate_proj", INTERMEDIATE, HIDDEN), ("mlp.up_proj", INTERMEDIATE, HIDDEN), ("mlp.down_proj", HIDDEN, INTERMEDIATE)):
            yield f"{layer}{name}.weight", [rows, columns]
        yield layer + "input_layernorm.weight", [HIDDEN]
        yield layer + "post_attention_layernorm.weight", [HIDDEN]
    yield "model.norm.weight", [HIDDEN]


def write_checkpoint(folder):
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "bfloat16", "hidden_size": HIDDEN, "num_hidden_layers": LAYERS,
              "intermediate_size": INTERMEDIATE,
              "vocab_size": VOCABULARY, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD_DIM, "max_position_embeddings": 2048,
              "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "tie_word_embeddings": True, "eos_token_id": 0}
    (folder / "config.json").write_text(json.dumps(config))
    header, end = {}, 0
    for name, shape in shapes():
        size = 2
        for n in shape:
            size *= n
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(folder / "model.safetensors", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.truncate(8 + len(text) + end)
    return end


def available():
    """Bytes that programs can have without swapping; 0 where /proc does not say."""
    try:
        text = pathlib.Path("/proc/meminfo").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("MemAvailable:")), 0)


if (b"__asan_init" in (BIN / "verbatim").read_bytes()) or available() < 2e9:
    skip_all("resident memory: the program is AddressSanitizer's, or the machine has less than 2 GB left")

with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    size = write_checkpoint(folder)
    for weights, part in (("checkpoint", 1), ("int8", 0.54), ("int4", 0.29)):
        done = subprocess.run([BIN / "verbatim", "bench", "--model", folder, "--weights", weights, "--batch", "4", "--prompt", "60", "--output", "4", "--context",
                               "64", "--max-batch", "4", "--threads", "2",
                               "--repetitions", "1", "--no-floor", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
        assert done.returncode == 0, done.stderr
        row = json.loads(done.stdout.splitlines()[-1])
        held, resident = row["weight_bytes"] + row["kv_bytes"], row["resident_bytes"]
        print(f"{weights:10} weights {row['weight_bytes'] / 1e6:6.1f} MB, keys and values {row['kv_bytes'] / 1e6:4.1f} MB, "
              f"resident {resident / 1e6:6.1f} MB = {resident / held:.3f} x", flush=True)
        assert row["weight_bytes"] <= 1.02 * part * size, "weights of this format are larger than they should be"
        assert row["kv_bytes"] < 0.1 * size, "so small a context leaves little to keys and values"
        assert row["weight_bytes"] <= resident <= 1.03 * held + PROCESS, "resident memory"
        assert weights == "int4" or resident <= MOST * held, "resident memory"
