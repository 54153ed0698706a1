// Forms of attention that tests/kernel compares and the library does not use: other numbers of queries, warps and stages.
#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/kernel/attention.hpp"
#include "verbatim/kernel/mma_attention.hpp"

VERBATIM_CUDA_KERNEL(verbatim::kernel::split_attention<float, 4, 32>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::split_attention<float, 16, 32>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::row_attention<float, 4, 32>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::row_attention<float, 16, 32>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::split_attention<verbatim::bf16, 4, 64>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::split_attention<verbatim::bf16, 16, 64>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::row_attention<verbatim::bf16, 4, 64>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::row_attention<verbatim::bf16, 16, 64>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::mma_split_attention<64, 1, 2>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::mma_split_attention<128, 1, 2>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::mma_row_attention<64, 8, 3>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::mma_row_attention<128, 8, 3>);
