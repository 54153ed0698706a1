// How a kernel body becomes a __global__ function and is launched: one template for all of them. A kernel says with block_threads
// (256 where it does not) how many threads its blocks have at most; one block a processor is promised to ptxas, so that it may use all
// registers. Kernels above 48 KiB of shared memory ask for it once.
#pragma once
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

/// The first error of this process's work, or none; a failed device stays failed.
inline cudaError_t& first_failure() noexcept {
  static cudaError_t failure = cudaSuccess;
  return failure;
}
inline void note(cudaError_t e) noexcept {
  if (e != cudaSuccess && first_failure() == cudaSuccess) first_failure() = e;
}

template <class Params> void enqueue(void* stream, Params const& p) noexcept {
  simt::launch_shape const shape = shape_of(p);
  static bool const ready = [] {
    constexpr int most_shared = 227 * 1024;   // of a block, compute capability 9.0
    note(cudaFuncSetAttribute(reinterpret_cast<void const*>(&entry<Params>), cudaFuncAttributeMaxDynamicSharedMemorySize, most_shared));
    return true;
  }();
  static_cast<void>(ready);
  void* arguments[] = {const_cast<Params*>(&p)};
  note(cudaLaunchKernel(reinterpret_cast<void const*>(&entry<Params>), dim3(unsigned(shape.x), unsigned(shape.y), unsigned(shape.z)), dim3(unsigned(shape.threads)),
                        arguments, std::size_t(shape.shared), static_cast<cudaStream_t>(stream)));
}

}  // namespace verbatim::cuda

/// Compiles a kernel into this translation unit.
#define VERBATIM_CUDA_KERNEL(...) template void verbatim::cuda::enqueue(void*, __VA_ARGS__ const&) noexcept
