// Where kernels of these tests run. In kernel_tests: under the host executor. In cuda_tests, which is compiled from the same texts
// (VERBATIM_KERNELS_ON_GPU): on a GPU as well, from the same memory, as the library launches them. What the two leave must be the same
// bits, but for kernels on tensor cores, whose bits are the hardware's own; and the test goes on with what the GPU has left, so its bounds
// and comparisons are of the GPU's results.
#pragma once
#include "catch.hpp"
#include "memory.hpp"
#include "verbatim/kernel/mma_attention_shared.hpp"
#include "verbatim/simt/host_sm90.hpp"
#if VERBATIM_KERNELS_ON_GPU
#include "../cuda/gpu.hpp"
#include "mirror.hpp"
#endif

namespace kernel_tests {

/// Whether a kernel's results are sums of a tensor core.
template <class Params> inline constexpr bool on_tensor_cores = requires { requires Params::needs_sm90; };
template <int D, int W, int S> inline constexpr bool on_tensor_cores<verbatim::kernel::mma_split_attention<D, W, S>> = true;
template <int D, int W, int S> inline constexpr bool on_tensor_cores<verbatim::kernel::mma_row_attention<D, W, S>> = true;
template <int D, int W, int S> inline constexpr bool on_tensor_cores<verbatim::kernel::mma_shared_attention<D, W, S>> = true;

/// `order`: of threads, blocks and copies, which hardware has its own of.
template <class Params> void on_host(Params const& p, std::uint64_t order) {
  if constexpr (requires { requires Params::needs_sm90; }) verbatim::simt::launch_sm90(shape_of(p), [&](verbatim::simt::host_sm90_grid g) { run(g, p); }, order);
  else verbatim::simt::launch(shape_of(p), [&](verbatim::simt::host_grid g) { run(g, p); }, order);
}

/// Runs p on a device, and compares with the host executor where the two have the same bits.
template <class Mirror, class Params> void launch_on(Mirror& device, Params const& p, std::uint64_t order) {
  device.launch(p);   // leaves the host's memory as it is
  CHECK(device.guards_hold());
  if constexpr (!on_tensor_cores<Params>) on_host(p, order);
  bool equal = true;
  device.each_result([&](std::uintptr_t first, void const* left, std::size_t bytes) {
    auto* const here = reinterpret_cast<void*>(first);
    if constexpr (!on_tensor_cores<Params>) equal = equal && blocks().at(first).same(here, left, bytes);
    std::memcpy(here, left, bytes);
  });
  INFO(__PRETTY_FUNCTION__);
  CHECK(equal);
}

#if VERBATIM_KERNELS_ON_GPU
inline bool can_launch() { return have_gpu(); }
inline mirror<verbatim::cuda::gpu>& the_gpu() {
  static mirror<verbatim::cuda::gpu> gpu;
  return gpu;
}
template <class Params> void launch(Params const& p, std::uint64_t order = 0) { launch_on(the_gpu(), p, order); }
#else
inline bool can_launch() { return true; }
template <class Params> void launch(Params const& p, std::uint64_t order = 0) { on_host(p, order); }
#endif

}  // namespace kernel_tests
