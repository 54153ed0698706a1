// The kernels of GPUs that are compiled once for the emulator: they are most of what an emulated engine takes to compile, and the same in all
// of them. Whoever includes this links the library emulated_kernels, which has them. Compiled by hand, bodies where they are used
// (verbatim/core/separate.hpp), this declares nothing.
#pragma once
#if VERBATIM_SEPARATE_COMPILATION
#include "verbatim/backend/cuda/emulator.hpp"

#define VERBATIM_CUDA_KERNEL(...) extern template void verbatim::cuda::emulator::launch(__VA_ARGS__ const&)
#include "verbatim/backend/cuda/kernels_attention.cuh"
#include "verbatim/backend/cuda/kernels_convert.cuh"
#include "verbatim/backend/cuda/kernels_linear.cuh"
#include "verbatim/backend/cuda/kernels_mma_attention.cuh"
#include "verbatim/backend/cuda/kernels_rows.cuh"
#include "verbatim/backend/cuda/kernels_sampling.cuh"
#include "verbatim/backend/cuda/kernels_sm90.cuh"
#include "verbatim/backend/cuda/kernels_sm90_wide.cuh"
#undef VERBATIM_CUDA_KERNEL
#endif
