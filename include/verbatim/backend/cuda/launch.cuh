// How a kernel body becomes a __global__ function and is launched: one template for all of them. A kernel says with block_threads
// (256 where it does not) how many threads its blocks have at most; one block a processor is promised to ptxas, so that it may use all
// registers. Kernels above 48 KiB of shared memory ask for it once.
#pragma once
#include <atomic>
#include <cstdint>

#include <cuda_runtime_api.h>

#include "verbatim/backend/cuda/gpu.hpp"
#include "verbatim/simt/cuda_grid.cuh"
#include "verbatim/simt/cuda_sm90.cuh"

namespace verbatim::cuda {

template <class Params> constexpr int block_threads_of() {
  if constexpr (requires { int{Params::block_threads}; }) return Params::block_threads;
  else return 256;
}

template <class Params> __global__ void __launch_bounds__(block_threads_of<Params>(), 1) entry(Params const p) {
  if constexpr (requires { requires Params::needs_sm90; }) run(simt::cuda_sm90_grid{}, p);
  else run(simt::cuda_grid{}, p);
}

template <class Params> int enqueue(void* stream, int device, Params const& p) noexcept {
  simt::launch_shape const shape = shape_of(p);
  static std::atomic<std::uint64_t> ready = 0;   // a bit a device: attributes of functions are a device's own
  std::uint64_t const bit = device < 64 ? std::uint64_t(1) << device : 0;
  if ((ready.load(std::memory_order_relaxed) & bit) == 0) {
    constexpr int most_shared = 227 * 1024;   // of a block, compute capability 9.0
    if (cudaError_t const e = cudaFuncSetAttribute(reinterpret_cast<void const*>(&entry<Params>), cudaFuncAttributeMaxDynamicSharedMemorySize, most_shared); e != cudaSuccess) return e;
    ready.fetch_or(bit, std::memory_order_relaxed);
  }
  void* arguments[] = {const_cast<Params*>(&p)};
  return cudaLaunchKernel(reinterpret_cast<void const*>(&entry<Params>), dim3(unsigned(shape.x), unsigned(shape.y), unsigned(shape.z)), dim3(unsigned(shape.threads)),
                          arguments, std::size_t(shape.shared), static_cast<cudaStream_t>(stream));
}

}  // namespace verbatim::cuda

/// Compiles a kernel into this translation unit.
#define VERBATIM_CUDA_KERNEL(...) template int verbatim::cuda::enqueue(void*, int, __VA_ARGS__ const&) noexcept
