#!/usr/bin/env python3
"""One record of several calls of benchmarks/gpu.sh: benchmarks/gpu_merge.py OUT.json IN.json IN.json...

Records are of one run where commit, card, day and workload are the same, but for shapes, batches and what was asked for (--only). The
later one's figures replace the earlier one's; what one has no figure of is taken from the other; bars are judged anew. Percent of floor
is of the rates of its own call, which "calls" lists.
"""
import json
import pathlib
import sys

import gpu_bars
import gpu_record

FIGURES = {"seconds", "least", "most", "repetitions", "rounds", "runs", "tensors", "bytes", "flop", "gb_per_second", "tflop_per_second", "of_floor",
           "read_gb_per_second", "bf16_tflop_per_second", "batch_invariant", "fastest", "ratio", "failed"}   # what does not say which row it is


def differs(old, new):
    """Why two records are not of one run; empty where they are."""
    for what, of in (("commit", lambda r: r.get("commit")), ("day", lambda r: r.get("date")), ("card", lambda r: r["gpu"]["before"].get("name"))):
        if of(old) != of(new):
            return f"another {what}: {of(old)}, {of(new)}"
    if not new["gpu"]["before"].get("name"):
        return "the card is not known, so it may be another"
    if not new.get("commit") or new["commit"] == "unknown" or new["commit"].endswith("+"):
        return f"the commit is not known ({new.get('commit')}), so it may be another"
    for key in ("prompt", "output", "prefill", "repetitions", "step_tokens"):
        if old["workload"].get(key) != new["workload"].get(key):
            return f"another {key}: {old['workload'].get(key)}, {new['workload'].get(key)}"
    return ""


def place_for(record, path):
    """What a new record adds to, {} for nothing, and where it is written: what is of another run stays as it is."""
    for number in range(1, 1000):
        at = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
        if not at.exists():
            return {}, at
        try:
            old = json.loads(at.read_text())
            why = differs(old, record)
        except (ValueError, KeyError, TypeError, AttributeError) as e:
            why = f"no record: {type(e).__name__}: {e}"
        if not why:
            return old, at
        print(f"{at} stays as it is ({why})", file=sys.stderr, flush=True)
    raise OSError(f"no place beside {path}")


def weight(why):
    """How much a reason tells: one of several that tells something is enough."""
    return max(0 if "not asked for" in w else 1 if "not reached" in w else 2 for w in why.split("; "))


def of_parts(old, new):
    """By name. What ran counts more than what did not, of what ran the later."""
    out = {p["name"]: p for p in old}
    for p in new:
        before = out.get(p["name"])
        ran, had = p["status"] != "not measured", before is not None and before["status"] != "not measured"
        if before is None or ran or (not had and weight(p.get("why", "")) >= weight(before.get("why", ""))):
            out[p["name"]] = p
    if any(name.startswith("tests/") and name != "tests/real_shapes_7b" for name in out):
        out.pop("tests", None)   # that they were not asked for
    if "tests/real_shapes_7b" in out:
        out.pop("real_shapes", None)
    if any(p["status"] == "done" for name, p in out.items() if name.startswith(("torch/", "compile/"))):
        out.pop("torch", None)   # that there was none
    return list(out.values())


def of_rows(old, new):
    def key(row):
        return tuple(sorted((name, json.dumps(value)) for name, value in row.items() if name not in FIGURES))
    return list({**{key(row): row for row in old}, **{key(row): row for row in new}}.values())


def of_peer(old, new):
    """PyTorch's modes of both, and the fastest of them."""
    if not old or not new:
        return new or old
    modes = {**old["modes"], **new["modes"]}
    speeds = {mode: speed for mode, speed in modes.items() if isinstance(speed, (int, float))}
    fastest = max(speeds, key=speeds.get)
    source = new if fastest in new["modes"] else old
    floor = source.get("of_floor")
    return {"modes": modes, "fastest": fastest, "tokens_per_second": speeds[fastest],
            "of_floor": gpu_record.rounded(floor * speeds[fastest] / source["tokens_per_second"]) if floor else None}


def row_key(row):
    return row["shape"], row["what"], row["batch"], row["tokens"]


def of_results(old, new, shapes):
    rows = {}
    for row in [*old, *new]:
        before = rows.get(row_key(row), {})
        both = {**before, **row}
        if "pytorch" in both:
            both["pytorch"] = of_peer(before.get("pytorch"), row.get("pytorch"))
        if "verbatim" in both and "pytorch" in both:
            both["ratio"] = gpu_record.rounded(both["verbatim"]["tokens_per_second"] / both["pytorch"]["tokens_per_second"])
        rows[row_key(row)] = both
    return sorted(rows.values(), key=lambda row: (shapes.index(row["shape"]) if row["shape"] in shapes else len(shapes), row["what"] != "prefill", row["batch"]))


def of_missing(old, new, merged):
    rows, ran = {row_key(row): row for row in merged["results"]}, {p["name"] for p in merged["parts"] if p["status"] == "done"}
    names, out = {p["name"] for p in merged["parts"]}, {}
    for row in [*old, *new]:
        if "part" in row:
            key, has = row["part"], row["part"] in ran or row["part"] not in names
        else:
            key = (*row_key(row), row["who"])
            has = row["who"].lower() in rows.get(row_key(row), {})
        if not has and (key not in out or weight(row["why"]) >= weight(out[key]["why"])):
            out[key] = row
    return list(out.values())


def merge(old, new):
    """The record of both, `new` being the later one. Throws ValueError where they are not of one run."""
    if why := differs(old, new):
        raise ValueError(why)
    out, workload = dict(new), dict(new["workload"])
    for key in ("shapes", "batch"):
        workload[key] = ",".join(dict.fromkeys([*old["workload"][key].split(","), *new["workload"][key].split(",")]))
    out["workload"], out["calls"] = workload, [*old.get("calls", []), *new.get("calls", [])]
    out["gpu"] = {"before": old["gpu"]["before"], "after": new["gpu"]["after"] or old["gpu"]["after"]}
    out["limits"] = new["limits"] if new["limits"].get("read_gb_per_second") else old["limits"]
    out["seconds"] = round(old["seconds"] + new["seconds"], 1)
    out["parts"] = of_parts(old["parts"], new["parts"])
    out["tests"] = gpu_record.tests_of(out["parts"])
    by_name = {p["name"]: p for p in out["parts"]}
    for tool in gpu_record.TOOLS:
        kept = [r["sanitizers"][tool] for r in (new, old) if r["sanitizers"][tool]["status"] == by_name.get(tool, {}).get("status")]
        out["sanitizers"][tool] = kept[0] if kept else new["sanitizers"][tool]
    out["pytorch"] = {**old["pytorch"], **new["pytorch"]}
    out["results"] = of_results(old["results"], new["results"], workload["shapes"].split(","))
    for key in ("pytorch_operators", "kernels", "contract_cost"):
        out[key] = of_rows(old[key], new[key])
    out["not_measured"] = of_missing(old["not_measured"], new["not_measured"], out)
    out["bars"] = gpu_bars.bars(out)
    return out


def main():
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    records = [json.loads(pathlib.Path(name).read_text()) for name in sys.argv[2:]]
    record = records[0]
    try:
        for other in records[1:]:
            record = merge(record, other)
    except ValueError as e:
        sys.exit(f"not of one run: {e}")
    pathlib.Path(sys.argv[1]).write_text(json.dumps(record, indent=1) + "\n")
    print(gpu_record.table(record))


if __name__ == "__main__":
    main()
