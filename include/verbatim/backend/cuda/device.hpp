// The CUDA devices as tags. One backend (ops.hpp) serves all of them: a tag names who runs its kernels. `sm90` is an NVIDIA GPU of
// compute capability 9.0; `emulated` runs the same kernels under the host executor of simt/, slowly and under watch: it is what
// tests the backend where there is no GPU. Their bits are the same as long as every kernel is written in fma; those of tensor cores
// are the hardware's own, so the two have contracts of their own.
#pragma once
#include <concepts>

#include "verbatim/backend/cuda/parts.hpp"
#include "verbatim/numerics/contract.hpp"

namespace verbatim::cuda {

class gpu;        // gpu.hpp
class emulator;   // emulator.hpp

struct any_cuda {
  static constexpr int revision = 1;            ///< changes when bits change
  static constexpr bool flushes_bf16 = false;
  static constexpr numerics contract{guarantee::batch_invariant, 256, kernel::linear_leaf};   ///< that pipelines have by default
  using attention = tensor_attention;
  using linear = tensor_linear;
};

struct sm90 : any_cuda {
  static constexpr char const* name = "cuda::sm90";
  static constexpr char const* kernels = "cuda sm90";
  using executor = gpu;
};

struct emulated : any_cuda {
  static constexpr char const* name = "cuda::emulated";
  static constexpr char const* kernels = "cuda emulated";
  static constexpr int chunk_tokens = 64;
  using executor = emulator;
};

template <class Device>
concept device = std::derived_from<Device, any_cuda>;

}  // namespace verbatim::cuda
