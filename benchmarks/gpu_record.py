#!/usr/bin/env python3
"""Makes the record of a run on a GPU from the outputs that benchmarks/gpu_run.py left: benchmarks/gpu_record.py RAW_DIR [RECORD.json].

Percent of floor is of the rates that were measured in the same run: reading (weights and cached keys and values once a step) and the
product of large bf16 matrices. Ratios are verbatim over the fastest of PyTorch's modes. What has no figure is listed, with the reason.
"""
import datetime
import json
import pathlib
import sys

import gpu_bars

HERE = pathlib.Path(__file__).resolve().parent
TOOLS = ("memcheck", "initcheck", "synccheck", "racecheck")   # of compute-sanitizer


def floors(c):
    """Parameters and bytes of a bf16 model of this config.json: what a step reads, what a token leaves in the cache."""
    hidden, width, heads, kv = c["hidden_size"], c["intermediate_size"], c["num_attention_heads"], c["num_key_value_heads"]
    head_dim, layers, qwen2 = c.get("head_dim") or hidden // heads, c["num_hidden_layers"], c["model_type"] == "qwen2"
    matrices = 2 * hidden * heads * head_dim + 2 * hidden * kv * head_dim + 3 * hidden * width
    rest = 2 * hidden + ((heads + 2 * kv) * head_dim if qwen2 else 0)
    head = c["vocab_size"] * hidden
    read = layers * (matrices + rest) + hidden + head
    return {"step_bytes": 2 * read, "weight_bytes": 2 * (read + (0 if c.get("tie_word_embeddings") else head)), "body": layers * matrices, "head": head,
            "kv_bytes": 4 * layers * kv * head_dim, "attention_flop": 4 * layers * heads * head_dim}


def floor_tokens_per_second(c, limits, what, batch, tokens):
    """The most that the measured rates allow: decoding `batch` sequences that see `tokens` keys each, or prompts of `tokens`."""
    f, read, rate = floors(c), (limits.get("read_gb_per_second") or 0) * 1e9, (limits.get("bf16_tflop_per_second") or 0) * 1e12
    if not read:
        return None
    if what == "decode":
        flop = batch * (2 * (f["body"] + f["head"]) + f["attention_flop"] * tokens)
        return batch / max((f["step_bytes"] + f["kv_bytes"] * tokens * batch) / read, flop / rate if rate else 0)
    flop = batch * (2 * (f["body"] * tokens + f["head"]) + f["attention_flop"] * tokens * (tokens + 1) / 2)
    return batch * tokens / max(f["step_bytes"] / read, flop / rate if rate else 0)


def lines_of(path):
    """The JSON objects among a file's lines; what a killed program left half is no line."""
    out = []
    for line in path.read_text(errors="replace").splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            out.append(row)
    return out


def rounded(x):
    return float(f"{x:.5g}") if isinstance(x, float) else x


def ours(raw, shape, limits, config, workload):
    out = {}
    for row in lines_of(raw / f"bench.{shape}.out") + lines_of(raw / f"bench.{shape}.many.out"):
        prefill = row["output"] == 2
        what, tokens = ("prefill", row["prompt"]) if prefill else ("decode", workload["prompt"] + workload["output"] // 2)   # the least that any of the batch has
        speed = row[f"{what}_tokens_per_second"]
        floor = floor_tokens_per_second(config, limits, what, row["batch"], tokens)
        entry = {"tokens_per_second": speed, "of_floor": speed / floor if floor else None, "repetitions": row.get("repetitions", workload.get("repetitions"))}
        if not prefill:
            entry.update(itl_p50_seconds=row["itl_p50_seconds"], itl_p99_seconds=row["itl_p99_seconds"], ttft_seconds=row["ttft_seconds"])
        out[what, row["batch"], tokens] = entry
    return out


def theirs(raw, shape, limits, config):
    """The fastest mode of each row, and of the others their rates."""
    out = {}
    for part in ("torch", "compile"):
        for row in lines_of(raw / f"{part}.{shape}.out"):
            if row.get("what") not in ("decode", "prefill"):
                continue
            key = row["what"], row["batch"], row.get("context") or row.get("prompt")
            out.setdefault(key, {"modes": {}})["modes"][row["mode"]] = row.get("tokens_per_second") or row.get("failed")
    for (what, batch, tokens), entry in out.items():
        speeds = {mode: speed for mode, speed in entry["modes"].items() if isinstance(speed, float)}
        floor = floor_tokens_per_second(config, limits, what, batch, tokens)
        if speeds:
            entry["fastest"] = max(speeds, key=speeds.get)
            entry["tokens_per_second"] = speeds[entry["fastest"]]
            entry["of_floor"] = entry["tokens_per_second"] / floor if floor else None
    return out


def operators(raw, limits):
    read, rate = (limits.get("read_gb_per_second") or 0) * 1e9, (limits.get("bf16_tflop_per_second") or 0) * 1e12
    rows = []
    for row in lines_of(raw / "torch.ops.out"):
        if row.get("what") in ("matmul", "attention"):
            if "seconds" in row:
                floor = max(row.get("bytes", 0) / read if read else 0, row["flop"] / rate if rate else 0)
                row = {**row, "tflop_per_second": row["flop"] / row["seconds"] / 1e12, "of_floor": floor / row["seconds"] if floor else None}
            rows.append({key: rounded(value) for key, value in row.items()})
    return rows


def summary_of(text):
    """What compute-sanitizer sums up with, each tool in its own words, or None."""
    found = [line.strip("= ") for line in text.splitlines() if "ERROR SUMMARY:" in line or "RACECHECK SUMMARY:" in line]
    return found[-1] if found else None


def sanitizer(raw, tool, part):
    row = {key: part[key] for key in ("status", "why", "seconds") if key in part}
    for path in (raw / f"{tool}.{end}" for end in ("out", "err")):
        if path.exists() and (summary := summary_of(path.read_text(errors="replace"))):
            row["summary"] = summary
    return row


def tests_of(parts):
    return [{key: p[key] for key in ("name", "status", "why", "seconds") if key in p} for p in parts if p["name"].startswith("tests")]


def why_missing(parts, names):
    said = [f"{p['name']}: {p['status']}" + (f", {p['why']}" if p.get("why") else "") for n in names for p in parts if p["name"] == n and p["status"] != "done"]
    if said:
        return "; ".join(said)
    stopped = [p for p in parts if p["name"] == "limits" and p["status"] == "skipped"]   # no program can use the card: nothing else was tried
    return f"not reached: {stopped[0]['why']}" if stopped else "no figure in the output"


def assemble(raw):
    """The record, from run.json and the parts' outputs in the folder `raw`."""
    raw = pathlib.Path(raw)
    run = json.loads((raw / "run.json").read_text())
    about, parts = run["about"], run["parts"]
    workload = about["workload"]
    limits = (lines_of(raw / "limits.out") or [{}])[-1]
    record = {"what": "gpu", "date": about.get("date", datetime.date.today().isoformat()), "commit": about.get("commit", ""), "programs": about.get("programs", {}),
              "gpu": {"before": about.get("before", {}), "after": about.get("after", {})}, "limits": limits, "workload": workload,
              "contract": "batch_invariant", "weights": "bf16, random", "budget_seconds": run["budget"], "seconds": run["seconds"]}
    by_name = {p["name"]: p for p in parts}
    record["calls"] = [{"only": about.get("only", []), "budget_seconds": run["budget"], "seconds": run["seconds"], "limits": limits, "gpu": record["gpu"]}]
    record["tests"] = tests_of(parts)
    record["sanitizers"] = {tool: sanitizer(raw, tool, by_name.get(tool, {"status": "not measured", "why": "not reached"})) for tool in TOOLS}
    versions = [row for path in sorted(raw.glob("torch.*.out")) + sorted(raw.glob("compile.*.out")) for row in lines_of(path) if row.get("what") == "versions"]
    record["pytorch"] = {key: value for row in versions for key, value in row.items() if key != "what"}
    record["results"], record["not_measured"] = [], []
    for p in parts:
        if p["status"] != "done" and not p["name"].startswith(("bench/", "torch/", "compile/")):
            record["not_measured"].append({"part": p["name"], "why": why_missing(parts, [p["name"]])})
    for shape in workload["shapes"].split(","):
        config = json.loads((HERE / f"shapes/{shape}.json").read_text())
        mine, peer = ours(raw, shape, limits, config, workload), theirs(raw, shape, limits, config)
        wanted = [("prefill", 1, int(workload["prefill"]))]
        wanted += [("decode", int(n), workload["prompt"] + workload["output"] // 2) for n in str(workload["batch"]).split(",")]
        for key in wanted:
            row = {"shape": shape, "what": key[0], "batch": key[1], "tokens": key[2]}
            if key in mine:
                row["verbatim"] = {k: rounded(v) for k, v in mine[key].items()}
            else:
                record["not_measured"].append({**row, "who": "verbatim", "why": why_missing(parts, [f"bench/{shape}", f"bench/{shape}/many"])})
            if "tokens_per_second" in peer.get(key, {}):
                row["pytorch"] = {k: rounded(v) if k != "modes" else {m: rounded(s) for m, s in v.items()} for k, v in peer[key].items()}
            else:
                record["not_measured"].append({**row, "who": "PyTorch", "why": "; ".join(str(s) for s in peer.get(key, {}).get("modes", {}).values()) or
                                               why_missing(parts, [f"torch/{shape}", f"compile/{shape}", "torch"])})
            if "verbatim" in row and "pytorch" in row:
                row["ratio"] = rounded(mine[key]["tokens_per_second"] / peer[key]["tokens_per_second"])
            if "verbatim" in row or "pytorch" in row:
                record["results"].append(row)
    record["pytorch_operators"] = operators(raw, limits)
    record["kernels"] = [{key: rounded(value) for key, value in row.items()} for row in lines_of(raw / "kernels.out")]
    record["contract_cost"] = [{key: rounded(value) for key, value in row.items()} for row in lines_of(raw / "contract.out")]
    record["bars"] = gpu_bars.bars(record)
    record["parts"] = parts
    return record


def table(record):
    """What a person reads at the end."""
    def percent(x):
        return f"{100 * x:7.1f}%" if x is not None else "       –"
    gpu, limits = record["gpu"]["before"], record["limits"]
    out = [f"{gpu.get('name', '?')}, driver {gpu.get('driver_version', '?')}; read {limits.get('read_gb_per_second', '–')} GB/s, "
           f"copy {limits.get('copy_gb_per_second', '–')} GB/s, bf16 {limits.get('bf16_tflop_per_second', '–')} TFLOP/s",
           f"{'':14} {'':8} {'batch':>5} {'tokens':>6} {'verbatim/s':>11} {'floor':>8} {'PyTorch/s':>11} {'floor':>8} {'ratio':>6}"]
    for r in record["results"]:
        mine, peer = r.get("verbatim", {}), r.get("pytorch", {})
        out.append(f"{r['shape']:14} {r['what']:8} {r['batch']:5} {r['tokens']:6} {mine.get('tokens_per_second', '–'):>11} {percent(mine.get('of_floor'))} "
                   f"{peer.get('tokens_per_second', '–'):>11} {percent(peer.get('of_floor'))} {r.get('ratio', '–'):>6}")
    tests = record["tests"]
    counts = {status: sum(t["status"] == status for t in tests) for status in ("failed", "out of time", "skipped", "not measured")}
    out.append(f"tests: {sum(t['status'] == 'done' for t in tests)} of {len(tests)} passed" + "".join(f", {n} {status}" for status, n in counts.items() if n))
    out += [f"  {tool}: " + (row.get("summary") or row["status"] + (f", {row['why']}" if "why" in row else "")) for tool, row in record["sanitizers"].items()]
    out += [f"  {t['status']}: {t['name']}: {t.get('why', '')}" for t in tests if t["status"] != "done"]
    out += [f"  {b['status']}: {b['subject']}, {b['must']}: " + "; ".join(f"{name} {value:.4g}" for name, value in b["values"].items()) for b in record["bars"]]
    out.append(f"{len(record['not_measured'])} not measured")
    return "\n".join(out)


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    record = assemble(sys.argv[1])
    if len(sys.argv) == 3:
        pathlib.Path(sys.argv[2]).write_text(json.dumps(record, indent=1) + "\n")
    print(table(record))


if __name__ == "__main__":
    main()
