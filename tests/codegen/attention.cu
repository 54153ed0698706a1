#include "verbatim/kernel/merge_attention.hpp"

#include "launch.cuh"

using namespace verbatim;
using namespace verbatim::kernel;

VERBATIM_ENTRY(128, split_attention<bf16, 8, 128>);
VERBATIM_ENTRY(128, split_attention<bf16, 8, 64>);
VERBATIM_ENTRY(128, split_attention<float, 8, 128>);
VERBATIM_ENTRY(128, row_attention<bf16, 8, 128>);
VERBATIM_ENTRY(128, row_attention<bf16, 8, 64>);
VERBATIM_ENTRY(128, row_attention<float, 8, 128>);
VERBATIM_ENTRY(128, merge_attention<bf16, 128>);
VERBATIM_ENTRY(128, merge_attention<float, 128>);
VERBATIM_ENTRY(128, split_attention<bf16, 8, 32>);
VERBATIM_ENTRY(128, row_attention<bf16, 8, 32>);
VERBATIM_ENTRY(64, merge_attention<bf16, 64>);
VERBATIM_ENTRY(32, merge_attention<bf16, 32>);
VERBATIM_ENTRY(128, split_attention<float, 8, 64>);
VERBATIM_ENTRY(128, split_attention<float, 8, 32>);
VERBATIM_ENTRY(128, row_attention<float, 8, 64>);
VERBATIM_ENTRY(128, row_attention<float, 8, 32>);
VERBATIM_ENTRY(64, merge_attention<float, 64>);
VERBATIM_ENTRY(32, merge_attention<float, 32>);
