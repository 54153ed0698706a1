// The rates of a GPU, measured.
#pragma once
#include <algorithm>
#include <vector>

#include <cuda_runtime_api.h>

#include "verbatim/backend/cuda/gpu_rates.hpp"
#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/backend/cuda/library_linear.hpp"
#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/core/bf16.hpp"
#include "verbatim/core/error.hpp"

namespace verbatim::cuda {

namespace detail {

/// Random bf16 values of about [-1, 1): zeros and constants draw less power, and then clocks are higher than any model's.
__global__ void fill_random(unsigned short* p, std::size_t n) {
  std::size_t const step = std::size_t(gridDim.x) * blockDim.x;
  for (std::size_t i = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    unsigned x = unsigned(i) * 2654435761u + unsigned(i >> 32) + 12345u;
    x ^= x >> 16, x *= 0x7feb352du, x ^= x >> 15, x *= 0x846ca68bu, x ^= x >> 16;
    p[i] = (unsigned short)(x & 0x807fu) | (unsigned short)((0x3eu + (x >> 20 & 1u)) << 8);
  }
}

__global__ void __launch_bounds__(512) read_all(uint4 const* p, std::size_t n, unsigned* out) {
  unsigned sum = 0;
  std::size_t const step = std::size_t(gridDim.x) * blockDim.x;
  std::size_t i = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x;
  for (; i + 3 * step < n; i += 4 * step) {   // four loads in flight a thread
    uint4 const a = p[i], b = p[i + step], c = p[i + 2 * step], d = p[i + 3 * step];
    sum += (a.x ^ a.y ^ a.z ^ a.w) + (b.x ^ b.y ^ b.z ^ b.w) + (c.x ^ c.y ^ c.z ^ c.w) + (d.x ^ d.y ^ d.z ^ d.w);
  }
  for (; i < n; i += step) sum += p[i].x ^ p[i].y ^ p[i].z ^ p[i].w;
  if (sum == 0x5eed5eedu) *out = sum;   // the loads must be made
}

/// Seconds of f's work on the stream, each of `count` runs on its own, ascending; two before them warm up. Before each f is enqueued once
/// more, so that the clock starts on a busy stream: what the host takes to launch is in no figure.
template <class F> std::vector<double> seconds_of(gpu& g, int count, F&& f) {
  gpu_stopwatch watch(g);
  std::vector<double> out;
  for (int i = -2; i < count; ++i) {
    f();
    watch.start();
    f();
    double const seconds = watch.stop();
    if (i >= 0) out.push_back(seconds);
  }
  g.wait();
  std::sort(out.begin(), out.end());
  return out;
}

inline void require(cudaError_t e) {
  if (e != cudaSuccess) throw error("device", 4, std::string("the device failed: ") + cudaGetErrorString(e));
}

constexpr std::size_t stream_bytes = std::size_t(2) << 30;

inline device_array<gpu, bf16> random_values(std::size_t count) {
  device_array<gpu, bf16> out(count);
  fill_with_random(out.data(), count);
  return out;
}

}  // namespace detail

void fill_with_random(bf16* to, std::size_t count) {
  detail::fill_random<<<1024, 256>>>(reinterpret_cast<unsigned short*>(to), count);
  detail::require(cudaGetLastError());
  detail::require(cudaStreamSynchronize(nullptr));   // streams of kernels do not wait for the default one
}

gpu_stopwatch::gpu_stopwatch(gpu const& g) : stream_(g.stream()) {
  for (gpu::event* e : {&begin_, &end_}) {
    cudaEvent_t made = nullptr;
    detail::require(cudaEventCreate(&made));
    e->reset(made);
  }
}
void gpu_stopwatch::start() { detail::require(cudaEventRecord(static_cast<cudaEvent_t>(begin_.get()), static_cast<cudaStream_t>(stream_))); }
double gpu_stopwatch::stop() {
  float ms = 0;
  detail::require(cudaEventRecord(static_cast<cudaEvent_t>(end_.get()), static_cast<cudaStream_t>(stream_)));
  detail::require(cudaEventSynchronize(static_cast<cudaEvent_t>(end_.get())));
  detail::require(cudaEventElapsedTime(&ms, static_cast<cudaEvent_t>(begin_.get()), static_cast<cudaEvent_t>(end_.get())));
  return double(ms) / 1e3;
}

double measure_read_rate() {
  gpu device;
  auto const values = detail::random_values(detail::stream_bytes / sizeof(bf16));
  device_array<gpu, unsigned> out(1);
  unsigned const blocks = unsigned(8 * properties_of_gpu().processors);
  auto const stream = static_cast<cudaStream_t>(device.stream());
  auto const seconds = detail::seconds_of(device, 20, [&] {
    detail::read_all<<<blocks, 512, 0, stream>>>(reinterpret_cast<uint4 const*>(values.data()), detail::stream_bytes / sizeof(uint4), out.data());
    detail::require(cudaGetLastError());
  });
  return double(detail::stream_bytes) / seconds.front();
}

double measure_copy_rate() {
  gpu device;
  auto const from = detail::random_values(detail::stream_bytes / sizeof(bf16));
  device_array<gpu, bf16> to(from.size());
  auto const seconds = detail::seconds_of(device, 20, [&] { device.copy(to.data(), from.data(), detail::stream_bytes); });
  return 2 * double(detail::stream_bytes) / seconds.front();
}

double measure_product_rate() {
  gpu device;
  try {
    open_library();
  } catch (error const&) {
    return 0;
  }
  constexpr int n = 8192;
  constexpr std::size_t count = std::size_t(n) * n;
  auto const a = detail::random_values(count), b = detail::random_values(count);
  device_array<gpu, bf16> y(count);
  device_array<gpu, float> workspace(library_linear::policy::workspace_bytes / sizeof(float));
  library_product<bf16> const p{a, b, {}, {}, y, workspace, n, n, n};
  auto const seconds = detail::seconds_of(device, 20, [&] { device.launch(p); });
  return 2.0 * double(n) * double(n) * double(n) / seconds[seconds.size() / 2];
}

}  // namespace verbatim::cuda
