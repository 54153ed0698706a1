// Attention on tensor cores. Compiled by nvcc in one unit of a program (launch.cuh).
#pragma once
#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/kernel/mma_attention_shared.hpp"

#define VERBATIM_CUDA_ATTENTION(D)                                   \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::mma_split_attention<D>);    \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::mma_row_attention<D, 4>);   \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::mma_row_attention<D, 8>);   \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::mma_shared_attention<D>)

VERBATIM_CUDA_ATTENTION(64);
VERBATIM_CUDA_ATTENTION(128);

#undef VERBATIM_CUDA_ATTENTION
