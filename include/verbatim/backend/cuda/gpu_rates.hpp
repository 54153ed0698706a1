// The rates that a GPU's floors are made of, and what work on it is timed with; defined in gpu_rates.cuh.
#pragma once
#include <cstddef>

#include "verbatim/backend/cuda/gpu.hpp"
#include "verbatim/core/bf16.hpp"

namespace verbatim::cuda {

/// Bytes a second that a kernel reads from 2 GiB of random numbers: the best of 20 passes. Throws device.*.
double measure_read_rate();
/// Bytes a second, read and written, of a copy of 2 GiB within the device: the best of 20.
double measure_copy_rate();
/// Floating-point operations a second of cuBLASLt's product of two random bf16 matrices of 8192 by 8192, the median of 20; 0 where
/// cuBLASLt cannot be loaded.
double measure_product_rate();

/// Seconds that a gpu's own stream takes, by events: no host time but what the stream waits for. Throws device.4.
class gpu_stopwatch {
 public:
  explicit gpu_stopwatch(gpu const& g);
  void start();
  double stop();   ///< waits

 private:
  void* stream_;
  gpu::event begin_, end_;
};

/// Random values of about [-1, 1) in device memory; there when it returns. Constants would draw less power, and run at higher clocks. Throws device.4.
void fill_with_random(bf16* to, std::size_t count);

}  // namespace verbatim::cuda
