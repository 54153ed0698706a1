// Products by fma, compiled for bf16 and f32. Compiled by nvcc in one unit of a program (launch.cuh).
#pragma once
#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/kernel/linear.hpp"

VERBATIM_CUDA_KERNEL(verbatim::kernel::skinny_linear<verbatim::bf16, verbatim::bf16, 1>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::skinny_linear<verbatim::bf16, verbatim::bf16, 4>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::skinny_linear<verbatim::bf16, verbatim::bf16, 8>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::skinny_linear<verbatim::bf16, float, 1>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::skinny_linear<verbatim::bf16, float, 4>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::skinny_linear<verbatim::bf16, float, 8>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::skinny_linear<float, float, 1>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::skinny_linear<float, float, 4>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::skinny_linear<float, float, 8>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::tiled_linear<verbatim::bf16, verbatim::bf16>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::tiled_linear<verbatim::bf16, float>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::tiled_linear<float, float>);
