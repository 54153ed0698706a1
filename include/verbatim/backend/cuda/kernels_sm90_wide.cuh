// Products on Hopper's tensor cores whose tiles have 128 rows, or 128 outputs in two warpgroups: those that ptxas takes longest over. Compiled by
// nvcc in one unit of a program (launch.cuh).
#pragma once
#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/kernel/sm90/linear.hpp"

VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<verbatim::bf16, 64, 2>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<verbatim::bf16, 128, 1>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<verbatim::bf16, 128, 2>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<float, 64, 2>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<float, 128, 1>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<float, 128, 2>);
