"""What each kernel of tests/codegen may take of a processor: a table, and what follows from it. A row is a pattern of the kernel's name,
the threads of its blocks, and how many of its blocks a processor's 65536 registers must hold side by side. So a budget is no number of its
own: a kernel that exceeds it runs fewer blocks at once than it was cut for. `exactly`: what setmaxnreg shares out is what the launch has.
Nothing may have a stack frame: local arrays are indexed by constants, or else they lie in memory."""
import re

REGISTERS = 65536   # of a processor of compute capability 9.0; a warp gets them in units of 8 a thread, a thread has 255 at most
ANY = r"(?:bf16|f16|float)"
BUDGETS = [   # pattern, threads of a block, blocks a processor[, "exactly", or fewer registers than these leave]: the first that matches the whole name
    # Attention by fma.
    (rf"split_attention<{ANY}, 8, 128>", 128, 6),
    (r"split_attention<bf16, 8, (?:32|64)>", 128, 8),
    (r"split_attention<float, 8, (?:32|64)>", 128, 7),
    (rf"row_attention<{ANY}, 8, 128>", 128, 4),
    (rf"row_attention<{ANY}, 8, (?:32|64)>", 128, 5),
    (rf"merge_attention<{ANY}, 128>", 128, 6),
    (rf"merge_attention<{ANY}, 64>", 64, 12),
    (rf"merge_attention<{ANY}, 32>", 32, 24),
    # Attention on tensor cores: shared memory holds two to four of these.
    (r"mma_split_attention<(?:64|128), 4, 3>", 128, 3),
    (r"mma_row_attention<64, 4, 2>", 128, 2, 248),
    (r"mma_row_attention<128, 4, 2>", 128, 2, 248),
    (r"mma_row_attention<(?:64|128), 8, 2>", 256, 1, 248),
    (r"mma_shared_attention<64, 4, 2>", 128, 3),
    (r"mma_shared_attention<128, 4, 2>", 128, 2, 248),
    # Rows: bandwidth, so as many threads as a processor has, or nearly.
    (rf"(?:embedding|add|silu_mul)_params<{ANY}>", 128, 16),
    (rf"rms_norm_params<{ANY}>", 256, 6),
    (rf"rope_table_params<{ANY}>", 64, 16),
    (r"rope_append_params<bf16>", 128, 7),
    (r"rope_append_params<float>", 128, 5),
    (rf"copy_pages<{ANY}>", 256, 8),
    (rf"convert_params<{ANY}, {ANY}, {ANY}>", 256, 8),
    # Products by fma, and what comes behind products.
    (r"skinny_linear<bf16, (?:bf16|float), [148]>", 128, 8),
    (r"skinny_linear<float, float, [18]>", 128, 5),
    (rf"tiled_linear<{ANY}, {ANY}>", 256, 3),
    (rf"merge_leaves<{ANY}>", 128, 16),
    (r"merge_norm", 256, 4),
    (r"(?:tile_weights|untile_weights|tile_activations)", 256, 8),
    (r"tiled_embedding", 128, 16),
    # Products of sm_90a. Two warpgroups and one that copies are the whole processor, and setmaxnreg shares out what it has.
    (rf"linear<{ANY}, (?:8|16|32), 1>", 160, 4),
    (rf"linear<{ANY}, 64, 1>", 160, 2),
    (rf"linear<{ANY}, 128, 1>", 160, 1),
    (rf"linear<{ANY}, (?:64|128), 2>", 384, 1, "exactly"),
    (r"product<(?:8|16|32|64|128|256)>", 128, 3),
    # Sampling.
    (r"sample_cuts", 512, 1),
    (r"sample_draws", 256, 3),
    (r"sample_sums", 256, 4),
]


def registers_of(threads, blocks):
    """Of a thread at most, for so many blocks side by side."""
    warps = -(-threads * blocks // 128) * 4   # a processor's four quarters are given whole warps in turn
    return min(255, REGISTERS // (32 * warps) // 8 * 8)


def budget_of(name):
    """(row of the table, registers, whether exactly so many) of a kernel by its readable name; None: it has no budget."""
    plain = re.sub(r"^cuda::entry<(.*?) ?>$", r"\1", name)
    for number, (pattern, threads, blocks, *more) in enumerate(BUDGETS):
        if re.fullmatch(rf"(?:verbatim::)?(?:kernel::)?(?:sm90::)?{pattern}", plain):
            exactly = more == ["exactly"]
            return number, min([registers_of(threads, blocks)] + ([] if exactly else more)), exactly
    return None


def over_budget(kernels):
    """What is wrong with kernels (name, registers, bytes of stack frame, bytes spilled), and the numbers of the rows that they met."""
    problems, met = [], set()
    for name, used, stack, spilled in kernels:
        if spilled:
            problems.append(f"{name} spills {spilled} bytes")
        if stack:
            problems.append(f"{name} has a stack frame of {stack} bytes")
        if (found := budget_of(name)) is None:
            problems.append(f"{name} has no row in budgets.py")
            continue
        row, budget, exactly = found
        met.add(row)
        if used > budget or (exactly and used != budget):
            problems.append(f"{name} has {used} registers, {'not' if exactly else 'above'} the {budget} of {BUDGETS[row][2]} blocks of "
                            f"{BUDGETS[row][1]} threads side by side")
    return problems, met


def unmet(met):
    return [f"budgets.py: no kernel is called {row[0]}" for number, row in enumerate(BUDGETS) if number not in met]


def check_itself():
    assert (registers_of(384, 1), registers_of(128, 3), registers_of(128, 1)) == (168, 168, 255)
    assert budget_of("cuda::entry<kernel::sample_sums>")[1:] == (64, False) and budget_of("sample") is None and budget_of("sample_sums2") is None
    name = "cuda::entry<kernel::sample_sums>"
    assert over_budget([(name, 64, 0, 0)])[0] == [] and len(over_budget([(name, 65, 16, 8), ("other", 1, 0, 0)])[0]) == 4
    exact = "cuda::entry<kernel::sm90::linear<bf16, 64, 2> >"
    assert over_budget([(exact, 168, 0, 0)])[0] == [] and len(over_budget([(exact, 160, 0, 0)])[0]) == 1
    assert len(unmet(set())) == len(BUDGETS) and not unmet(set(range(len(BUDGETS))))
