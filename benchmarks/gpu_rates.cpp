// The rates of the current GPU that floors are made of, as one JSON object: reading, copying, and the product of bf16 matrices.
// Exit code 77: there is no GPU here, with what the driver says. Cost: about a second and 4 GiB of device memory.
#include <cstdio>

#include "verbatim/backend/cuda/gpu.hpp"
#include "verbatim/backend/cuda/gpu_rates.hpp"
#include "verbatim/core/error.hpp"

int main() {
  if (verbatim::cuda::gpu_count() == 0) {
    std::fprintf(stderr, "no CUDA device can be used here: %s\n", verbatim::cuda::why_no_gpu().c_str());
    return 77;
  }
  try {
    auto const p = verbatim::cuda::properties_of_gpu();
    double const read = verbatim::cuda::measure_read_rate(), copy = verbatim::cuda::measure_copy_rate(), product = verbatim::cuda::measure_product_rate();
    std::printf("{\"name\": \"%s\", \"compute_capability\": \"%d.%d\", \"processors\": %d, \"memory_bytes\": %zu, \"l2_bytes\": %zu, \"driver\": %d, \"runtime\": %d, "
                "\"read_gb_per_second\": %.1f, \"copy_gb_per_second\": %.1f, \"bf16_tflop_per_second\": ",
                p.name.c_str(), p.capability_major, p.capability_minor, p.processors, p.memory, p.l2, p.driver, p.runtime, read / 1e9, copy / 1e9);
    if (product > 0) std::printf("%.1f}\n", product / 1e12);
    else std::printf("null}\n");   // cuBLASLt cannot be loaded
    return 0;
  } catch (verbatim::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
