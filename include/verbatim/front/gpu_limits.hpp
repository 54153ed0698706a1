// What the current GPU can do at most, measured in the same run as what is held against it: a stream of reads over more than its
// caches hold, and cuBLASLt's bf16 product of large random matrices. Cost: about 0.5 s and 3 GiB of device memory.
#pragma once
#include "verbatim/backend/cuda/gpu_rates.hpp"
#include "verbatim/front/machine_limits.hpp"

namespace verbatim {

/// The arithmetic rate is 0 where cuBLASLt is not installed. Throws device.*.
inline machine_limits measure_gpu_limits() {
  return {.read_gb_per_second = cuda::measure_read_rate() / 1e9, .gflop_per_second = cuda::measure_product_rate() / 1e9};
}

}  // namespace verbatim
