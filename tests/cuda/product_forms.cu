// Forms of products on Hopper's tensor cores that tests/kernel compares and the library does not use: two warpgroups for few rows.
#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/kernel/sm90/linear.hpp"

#define VERBATIM_TEST_PRODUCTS(Out)                                 \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<Out, 8, 2>);  \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<Out, 16, 2>); \
  VERBATIM_CUDA_KERNEL(verbatim::kernel::sm90::linear<Out, 32, 2>)

VERBATIM_TEST_PRODUCTS(verbatim::bf16);
VERBATIM_TEST_PRODUCTS(float);
