// Attention by fma, compiled for bf16 and f32 and the head dimensions of cuda::with_head_dim. Compiled by nvcc in one unit of a program (launch.cuh).
#pragma once
#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/kernel/merge_attention.hpp"

#define VERBATIM_CUDA_ATTENTION(T, D)                                    \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::split_attention<T, 8, D>);      \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::row_attention<T, 8, D>);        \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::merge_attention<T, D>)

VERBATIM_CUDA_ATTENTION(verbatim::bf16, 32);
VERBATIM_CUDA_ATTENTION(verbatim::bf16, 64);
VERBATIM_CUDA_ATTENTION(verbatim::bf16, 128);
VERBATIM_CUDA_ATTENTION(float, 32);
VERBATIM_CUDA_ATTENTION(float, 64);
VERBATIM_CUDA_ATTENTION(float, 128);

#undef VERBATIM_CUDA_ATTENTION
