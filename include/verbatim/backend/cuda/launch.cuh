// How a kernel body becomes a __global__ function and is launched: one template for all of them. A kernel says with block_threads
// (256 where it does not) how many threads its blocks have at most; one block a processor is promised to ptxas, so that it may use all
// registers. Kernels above 48 KiB of shared memory ask for it once.
// Launches overlap (programmatic dependent launch, in graphs too): a kernel may start once all blocks of the one before have, and waits
// for its end before it reads or writes anything that another kernel does. Every block of every kernel waits, so a kernel's end is the end
// of all before it. The wait stands here, before the body; bodies for sm_90a wait themselves, as they ask for weights first. So a
// kernel that writes weights must not be followed by a product, whatever other kernels come between: there has to be a copy, as at the start of
// a step, or a wait of the host, neither of which overlaps. The emulator finds where there is none.
#pragma once
#ifndef VERBATIM_CUDA_KERNEL
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
  if constexpr (requires { requires Params::needs_sm90; }) {
    run(simt::cuda_sm90_grid{}, p);
  } else {
    cudaTriggerProgrammaticLaunchCompletion();   // as early as can be: who comes next waits for this kernel's end
    cudaGridDependencySynchronize();
    run(simt::cuda_grid{}, p);
  }
}

template <class Params> int enqueue(void* stream, int device, Params const& p) noexcept {
  simt::launch_shape const shape = shape_of(p);
  static std::atomic<std::uint64_t> ready = 0;   // a bit a device: attributes of functions are a device's own
  std::uint64_t const bit = device < 64 ? std::uint64_t(1) << device : 0;
  if ((ready.load(std::memory_order_relaxed) & bit) == 0) {
    // Kernels ask for one division of L1, that with the most shared memory: a processor must be idle to change it, and blocks of the next
    // kernel would have to wait for that where the one before used little. A hint, which may fail; what it is worth is not measured.
    auto const set = [](cudaFuncAttribute what, int value) { return cudaFuncSetAttribute(reinterpret_cast<void const*>(&entry<Params>), what, value); };
    if (cudaError_t const e = set(cudaFuncAttributeMaxDynamicSharedMemorySize, simt::most_shared); e != cudaSuccess) return e;
    if (set(cudaFuncAttributePreferredSharedMemoryCarveout, cudaSharedmemCarveoutMaxShared) != cudaSuccess) cudaGetLastError();   // forgotten
    ready.fetch_or(bit, std::memory_order_relaxed);
  }
  void* arguments[] = {const_cast<Params*>(&p)};
  cudaLaunchAttribute overlap{};
  overlap.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  overlap.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t how{};
  how.gridDim = dim3(unsigned(shape.x), unsigned(shape.y), unsigned(shape.z)), how.blockDim = dim3(unsigned(shape.threads));
  how.dynamicSmemBytes = std::size_t(shape.shared), how.stream = static_cast<cudaStream_t>(stream);
  how.attrs = &overlap, how.numAttrs = 1;
  return cudaLaunchKernelExC(&how, reinterpret_cast<void const*>(&entry<Params>), arguments);
}

}  // namespace verbatim::cuda

/// Compiles a kernel into this translation unit. nvcc reads the lists kernels_*.cuh in one unit of a program (verbatim_cuda_kernels does). Whoever
/// defines this before them gets the lists alone, for any compiler: so the emulator's kernels are compiled once, too.
#define VERBATIM_CUDA_KERNEL(...) template int verbatim::cuda::enqueue(void*, int, __VA_ARGS__ const&) noexcept
#endif
