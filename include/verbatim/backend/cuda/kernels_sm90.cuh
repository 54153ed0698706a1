// Products of up to 64 rows a tile on Hopper's tensor cores, and what brings matrices into their order. Compiled by nvcc in one unit of a program (launch.cuh).
#pragma once
#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/kernel/sm90/merge.hpp"

#define VERBATIM_CUDA_PRODUCTS(Out)                                         \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<Out, 8, 1>);          \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<Out, 16, 1>);         \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<Out, 32, 1>);         \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<Out, 64, 1>);         \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::merge_leaves<Out>)

VERBATIM_CUDA_PRODUCTS(verbatim::bf16);
VERBATIM_CUDA_PRODUCTS(float);
VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::merge_norm);
VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::tile_weights);
VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::untile_weights);
VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::tile_activations);
VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::tiled_embedding);

#undef VERBATIM_CUDA_PRODUCTS
