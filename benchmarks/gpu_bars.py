"""What a GPU must reach, held against a record of benchmarks/gpu.sh. docs/performance.md has the same list, in the same words."""

BENCH = "verbatim bench --device cuda --random-weights SHAPE.json --step-tokens 2048 --prompt 1024 "
KERNELS = "bench_gpu_kernels benchmarks/shapes/*.json"
LARGE = ("qwen2.5-7b", "llama-3.1-8b")


def results(record, shapes, what, batch, value):
    """`value` of the rows that `verbatim bench` and PyTorch gave; None where there is none."""
    rows = {(r["shape"], r["what"], r["batch"]): r for r in record["results"]}
    return {shape + (f", batch {batch}" if what == "decode" else ""): value(rows.get((shape, what, batch), {})) for shape in shapes}


def of_floor(row):
    return row.get("verbatim", {}).get("of_floor")


def kernels(record, field, shapes, **wanted):
    """`field` of the rows of bench_gpu_kernels that have all of `wanted`, by shape and batch or prompt."""
    found = {}
    for shape in shapes:
        rows = [r for r in record["kernels"] if r.get("shape") == shape and all(r.get(key) == value for key, value in wanted.items())]
        for r in rows:
            found[shape + (f", batch {r['batch']}" if "batch" in r else "")] = r.get(field)
        if not rows:
            found[shape] = None
    return found


def cost(record, what):
    rows = [r for r in record["contract_cost"] if r.get("what") == what]
    return {f"{r['shape']}, batch {r['batch']}": r.get("ratio") for r in rows} or {what: None}


def of_tests(tests):
    """How the tests' bar stands, and the numbers: one that fails or does not end misses it; one that was skipped or not reached says nothing."""
    count = {status: sum(t["status"] == status for t in tests) for status in ("done", "failed", "out of time", "skipped", "not measured")}
    values = {"passed": count.pop("done"), **{status: n for status, n in count.items() if n}}
    if count["failed"] + count["out of time"]:
        return "missed", values
    if not values["passed"]:
        return "not measured", values
    return "partly measured" if count["skipped"] + count["not measured"] else "reached", values


def bars(record):
    """One row a bar: what must be, what was measured, and the command that measures it. A value that is missing leaves its bar unmeasured."""
    limits = record["limits"]
    status_of_tests, passed = of_tests(record["tests"])
    ahead = {**results(record, record["workload"]["shapes"].split(","), "decode", 1, lambda r: r.get("ratio")),
             **results(record, record["workload"]["shapes"].split(","), "decode", 64, lambda r: r.get("ratio"))}
    kinds = [   # subject, what must be, the least (or with a minus the most) of it, values, command
        ("read-only stream, device copy, bf16 product", "measured first", 0,
         {key: limits.get(key) for key in ("read_gb_per_second", "copy_gb_per_second", "bf16_tflop_per_second")}, "bench_gpu_rates"),
        ("conformance suites over the CUDA device", "all pass", None, passed, "cuda_tests"),
        ("decode, batch 1, 7B and 8B shapes", ">= 75 % of floor", 0.75, results(record, LARGE, "decode", 1, of_floor), BENCH + "--output 32 --batch 1"),
        ("decode, batch 1, 0.5B shape", ">= 45 % of floor", 0.45, results(record, ("qwen2.5-0.5b",), "decode", 1, of_floor), BENCH + "--output 32 --batch 1"),
        ("decode, batch 64, context 1,024, 7B and 8B shapes", ">= 60 % of floor", 0.6, results(record, LARGE, "decode", 64, of_floor), BENCH + "--output 66 --batch 64"),
        ("decode, batch 256, context 1,024, 7B and 8B shapes", ">= 50 % of floor", 0.5, results(record, LARGE, "decode", 256, of_floor),
         BENCH + "--output 179 --batch 256"),
        ("decode attention alone, context 32,768", ">= 75 % of bandwidth", 0.75, kernels(record, "of_floor", LARGE, what="decode attention", context=32768),
         KERNELS + " --only decode"),
        ("prefill attention, head 128, causal, 8,192", ">= 350 TFLOP/s", 350, kernels(record, "tflop_per_second", LARGE, what="prefill attention", prompt=8192),
         KERNELS + " --only prefill"),
        ("prefill, 2,048 tokens, 7B and 8B shapes", ">= 60 % of floor", 0.6, results(record, LARGE, "prefill", 1, of_floor), BENCH + "--output 32 --prefill 2048"),
        ("batch_invariant over fastest, decode", ">= 0.90", 0.9, cost(record, "decode"), "bench_contract --device cuda benchmarks/shapes/qwen2.5-7b.json"),
        ("batch_invariant over fastest, prefill", ">= 0.80", 0.8, cost(record, "prefill"), "bench_contract --device cuda benchmarks/shapes/qwen2.5-7b.json"),
        ("refit of the 8B shape from device memory", "<= 50 ms", -0.05, kernels(record, "seconds", ("llama-3.1-8b",), what="refit"), KERNELS + " --only refit"),
        ("decode over PyTorch, batch 1 and 64", "ahead", 1, ahead, "benchmarks/gpu.sh"),
    ]
    out = []
    for subject, must, least, values, command in kinds:
        if least is None:   # the tests: numbers of them, of which none is missing
            out.append({"subject": subject, "must": must, "status": status_of_tests, "values": values, "command": command})
            continue
        missing = [name for name, value in values.items() if value is None]
        reached = not missing and all(value >= least if least >= 0 else value <= -least for value in values.values())
        out.append({"subject": subject, "must": must, "status": "not measured" if missing else "reached" if reached else "missed",
                    "values": {name: value for name, value in values.items() if value is not None}, "command": command})
        if missing:
            out[-1]["missing"] = missing
    return out
