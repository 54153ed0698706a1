// The engines that tests share; instantiated once, in tests/engines.cpp and engines_device.cpp.
#pragma once
#include <concepts>
#include <map>

#include "verbatim/backend/cuda/device.hpp"
#include "verbatim/backend/cuda/emulator.hpp"
#include "verbatim/cache/contiguous.hpp"
#include "verbatim/cache/sliding.hpp"
#include "verbatim/engine/engine.hpp"

namespace test_engines {

struct small_llama : verbatim::pipeline<verbatim::cpu::native, verbatim::llama> {
  using dtype = float;
  using cache = verbatim::paged<16>;
};
struct small_qwen3 : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
  using dtype = verbatim::bf16;
  using cache = verbatim::paged<16>;
};
/// The standard engine of bf16 llama with every part exchanged for one with the same bits.
struct other_llama : verbatim::pipeline<verbatim::cpu::native, verbatim::llama> {
  using attention = verbatim::cpu::separate_attention;
  using linear = verbatim::cpu::dot_linear;
  using cache = verbatim::sliding<16>;
};
/// A device that counts, for all of its kind: how often a step of each shape came, how often its kernels were enqueued one by one rather
/// than replayed as a graph, and how many of them had to do with a product whose leaves are cut among blocks.
template <class Device> struct watched : Device {
  struct executor : Device::executor {
    /// Emulated: more than a product of random_models::two_leaves has blocks, so that all of them are cut, as those of real models are on a GPU.
    static constexpr int processors = std::derived_from<Device, verbatim::cuda::emulated> ? 40 : Device::executor::processors;
    inline static std::map<verbatim::cuda::graph_key, long> steps{};
    inline static long enqueued = 0, split = 0;
    template <class Params> void launch(Params const& p) {
      if constexpr (requires { p.leaves_each; }) split += p.leaves_each > 0;
      Device::executor::launch(p);
    }
    template <class F> void replay(verbatim::cuda::graph_key const& key, F&& f) {
      ++steps[key];
      Device::executor::replay(key, [&] { ++enqueued, f(); });
    }
  };
};
/// The engines of a device: short leaves, which small prompts share, and small pages.
template <class Device, class T, class Model = verbatim::llama, class Cache = verbatim::paged<16>> struct on_device : verbatim::pipeline<watched<Device>, Model> {
  using dtype = T;
  using cache = Cache;
  static constexpr verbatim::numerics contract{verbatim::guarantee::batch_invariant, 64, Device::contract.k_leaf};
};
/// What runs on a GPU, with the host executor in its place.
using emulated_llama_f32 = on_device<verbatim::cuda::emulated, float>;
using emulated_llama_bf16 = on_device<verbatim::cuda::emulated, verbatim::bf16>;
using emulated_runs = on_device<verbatim::cuda::emulated, verbatim::bf16, verbatim::llama, verbatim::contiguous<16>>;

}  // namespace test_engines

extern template class verbatim::engine<test_engines::small_llama>;
extern template class verbatim::engine<test_engines::small_qwen3>;
extern template class verbatim::engine<test_engines::other_llama>;
extern template class verbatim::engine<test_engines::emulated_llama_f32>;
extern template class verbatim::engine<test_engines::emulated_llama_bf16>;
extern template class verbatim::engine<test_engines::emulated_runs>;
