// Conversions of weights in device memory. Compiled by nvcc in one unit of a program (launch.cuh).
#pragma once
#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/kernel/convert.hpp"

#define VERBATIM_CUDA_CONVERSIONS(T, To)                                                \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::convert_params<T, To, float>);                 \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::convert_params<T, To, verbatim::bf16>);        \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::convert_params<T, To, verbatim::f16>)

VERBATIM_CUDA_CONVERSIONS(verbatim::bf16, verbatim::bf16);
VERBATIM_CUDA_CONVERSIONS(verbatim::bf16, float);
VERBATIM_CUDA_CONVERSIONS(float, float);

#undef VERBATIM_CUDA_CONVERSIONS
