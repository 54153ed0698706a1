// Products of GPUs, compiled once for all emulated engines of this project (kernels.hpp).
#define VERBATIM_CUDA_KERNEL(...) template void verbatim::cuda::emulator::launch(__VA_ARGS__ const&)

#include "verbatim/backend/cuda/emulator.hpp"

#include "verbatim/backend/cuda/kernels_linear.cuh"
#include "verbatim/backend/cuda/kernels_sm90.cuh"
#include "verbatim/backend/cuda/kernels_sm90_wide.cuh"
