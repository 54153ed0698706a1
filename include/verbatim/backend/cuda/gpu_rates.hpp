// The two rates that a GPU's floors are made of; defined in gpu_rates.cuh.
#pragma once

namespace verbatim::cuda {

/// Bytes a second that a kernel reads from 2 GiB of random numbers: the best of 20 passes. Throws device.*.
double measure_read_rate();
/// Bytes a second, read and written, of a copy of 2 GiB within the device: the best of 20.
double measure_copy_rate();
/// Floating-point operations a second of cuBLASLt's product of two random bf16 matrices of 8192 by 8192, the median of 20; 0 where
/// cuBLASLt cannot be loaded.
double measure_product_rate();

}  // namespace verbatim::cuda
