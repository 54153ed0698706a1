// Kernels as programs get them: the entry of the backend, with its launch bounds and its wait for the launch before.
#pragma once
#include "verbatim/backend/cuda/launch.cuh"

/// Threads: of a block at most, which the launch bounds must allow.
#define VERBATIM_ENTRY(threads, ...)                                            \
  static_assert(threads <= verbatim::cuda::block_threads_of<__VA_ARGS__>());   \
  template __global__ void verbatim::cuda::entry<__VA_ARGS__>(__VA_ARGS__ const)
