// Sampling. Compiled by nvcc in one unit of a program (launch.cuh).
#pragma once
#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/kernel/sampling.hpp"

VERBATIM_CUDA_KERNEL(verbatim::kernel::sample_cuts);
VERBATIM_CUDA_KERNEL(verbatim::kernel::sample_draws);
VERBATIM_CUDA_KERNEL(verbatim::kernel::sample_sums);
