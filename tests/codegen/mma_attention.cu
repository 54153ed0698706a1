// contains: mma.sync.aligned.m16n8k16, cp.async.cg
#include "verbatim/kernel/mma_attention_shared.hpp"

#include "launch.cuh"

using namespace verbatim;
using namespace verbatim::kernel;

VERBATIM_ENTRY(128, mma_split_attention<128>);
VERBATIM_ENTRY(128, mma_split_attention<64>);
VERBATIM_ENTRY(128, mma_row_attention<128, 4>);
VERBATIM_ENTRY(256, mma_row_attention<128, 8>);
VERBATIM_ENTRY(128, mma_row_attention<64, 4>);
VERBATIM_ENTRY(256, mma_row_attention<64, 8>);
VERBATIM_ENTRY(128, mma_shared_attention<128>);
VERBATIM_ENTRY(128, mma_shared_attention<64>);
