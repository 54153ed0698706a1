// Whether there is a GPU to test on. Where there is none, a test says so, is counted, and ends.
#pragma once
#include "catch.hpp"
#include "verbatim/backend/cuda/gpu.hpp"

inline bool have_gpu() {
  if (verbatim::cuda::gpu_count() > 0) return true;
  skip("no CUDA device, nothing was run on a GPU: " + verbatim::cuda::why_no_gpu());
  return false;
}
