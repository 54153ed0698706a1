// The rates of a GPU, measured. cuBLASLt is loaded at run time, so that programs need it only for this.
#pragma once
#include <algorithm>
#include <vector>

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include "verbatim/backend/cuda/gpu_rates.hpp"
#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/core/bf16.hpp"
#include "verbatim/core/error.hpp"
#include "verbatim/core/philox.hpp"

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

/// Seconds of f's work on the default stream, each of `count` runs on its own, ascending; two before them warm up.
template <class F> std::vector<double> seconds_of(int count, F&& f) {
  cudaEvent_t begin = nullptr, end = nullptr;
  cudaError_t failure = cudaSuccess;
  auto const note = [&](cudaError_t e) { if (failure == cudaSuccess) failure = e; };
  note(cudaEventCreate(&begin)), note(cudaEventCreate(&end));
  std::vector<double> out;
  for (int i = -2; i < count; ++i) {
    note(cudaEventRecord(begin));
    f();
    note(cudaEventRecord(end));
    note(cudaEventSynchronize(end));
    float ms = 0;
    note(cudaEventElapsedTime(&ms, begin, end));
    if (i >= 0) out.push_back(double(ms) / 1e3);
  }
  note(cudaEventDestroy(begin)), note(cudaEventDestroy(end));
  note(cudaGetLastError());   // f's too
  if (failure != cudaSuccess) throw error("device", 4, std::string("the device failed: ") + cudaGetErrorString(failure));
  std::sort(out.begin(), out.end());
  return out;
}

constexpr std::size_t stream_bytes = std::size_t(2) << 30;

inline device_array<gpu, unsigned short> random_values(std::size_t count) {
  device_array<gpu, unsigned short> out(count);
  fill_random<<<1024, 256>>>(out.data(), count);
  return out;
}

/// The functions of cuBLASLt that are called, or nothing.
struct cublas_lt {
  template <class F> F* function(char const* name) const { return reinterpret_cast<F*>(::dlsym(library, name)); }
  void* library = ::dlopen("libcublasLt.so.13", RTLD_NOW | RTLD_LOCAL);
  cublas_lt() { if (!library) library = ::dlopen("libcublasLt.so.12", RTLD_NOW | RTLD_LOCAL); }
};

}  // namespace detail

double measure_read_rate() {
  auto const values = detail::random_values(detail::stream_bytes / 2);
  device_array<gpu, unsigned> out(1);
  int const blocks = 8 * properties_of_gpu().processors;
  auto const seconds = detail::seconds_of(20, [&] { detail::read_all<<<unsigned(blocks), 512>>>(reinterpret_cast<uint4 const*>(values.data()), detail::stream_bytes / 16, out.data()); });
  return double(detail::stream_bytes) / seconds.front();
}

double measure_copy_rate() {
  auto const from = detail::random_values(detail::stream_bytes / 2);
  device_array<gpu, unsigned short> to(from.size());
  auto const seconds = detail::seconds_of(20, [&] { static_cast<void>(cudaMemcpyAsync(to.data(), from.data(), detail::stream_bytes, cudaMemcpyDeviceToDevice)); });
  return 2 * double(detail::stream_bytes) / seconds.front();
}

double measure_product_rate() {
  detail::cublas_lt const lt;
  if (!lt.library) return 0;
#define VERBATIM_LT(name) auto* const name = lt.function<decltype(::name)>(#name)
  VERBATIM_LT(cublasLtCreate);
  VERBATIM_LT(cublasLtDestroy);
  VERBATIM_LT(cublasLtMatmulDescCreate);
  VERBATIM_LT(cublasLtMatmulDescSetAttribute);
  VERBATIM_LT(cublasLtMatmulDescDestroy);
  VERBATIM_LT(cublasLtMatrixLayoutCreate);
  VERBATIM_LT(cublasLtMatrixLayoutDestroy);
  VERBATIM_LT(cublasLtMatmulPreferenceCreate);
  VERBATIM_LT(cublasLtMatmulPreferenceSetAttribute);
  VERBATIM_LT(cublasLtMatmulPreferenceDestroy);
  VERBATIM_LT(cublasLtMatmulAlgoGetHeuristic);
  VERBATIM_LT(cublasLtMatmul);
#undef VERBATIM_LT
  if (!cublasLtCreate || !cublasLtMatmul || !cublasLtMatmulAlgoGetHeuristic || !cublasLtMatmulPreferenceSetAttribute) return 0;
  constexpr std::uint64_t n = 8192;
  std::size_t workspace_bytes = std::size_t(32) << 20;
  auto const a = detail::random_values(n * n), b = detail::random_values(n * n);
  device_array<gpu, unsigned short> c(n * n);
  device_array<gpu, unsigned char> workspace(workspace_bytes);
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t layout = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  cublasLtMatmulHeuristicResult_t found{};
  int count = 0;
  cublasOperation_t const transposed = CUBLAS_OP_T;   // k runs fastest in both operands, as in a linear layer
  bool ready = cublasLtCreate(&handle) == CUBLAS_STATUS_SUCCESS && cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS &&
               cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed) == CUBLAS_STATUS_SUCCESS &&
               cublasLtMatrixLayoutCreate(&layout, CUDA_R_16BF, n, n, std::int64_t(n)) == CUBLAS_STATUS_SUCCESS && cublasLtMatmulPreferenceCreate(&preference) == CUBLAS_STATUS_SUCCESS &&
               cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes, sizeof workspace_bytes) == CUBLAS_STATUS_SUCCESS &&
               cublasLtMatmulAlgoGetHeuristic(handle, product, layout, layout, layout, layout, preference, 1, &found, &count) == CUBLAS_STATUS_SUCCESS && count == 1;
  double rate = 0;
  if (ready) {
    float const one = 1, zero = 0;
    auto const seconds = detail::seconds_of(20, [&] {
      ready = cublasLtMatmul(handle, product, &one, a.data(), layout, b.data(), layout, &zero, c.data(), layout, c.data(), layout, &found.algo, workspace.data(), workspace_bytes, nullptr) == CUBLAS_STATUS_SUCCESS && ready;
    });
    if (ready) rate = 2.0 * double(n) * double(n) * double(n) / seconds[seconds.size() / 2];
  }
  if (preference) cublasLtMatmulPreferenceDestroy(preference);
  if (layout) cublasLtMatrixLayoutDestroy(layout);
  if (product) cublasLtMatmulDescDestroy(product);
  if (handle) cublasLtDestroy(handle);
  return rate;
}

}  // namespace verbatim::cuda
