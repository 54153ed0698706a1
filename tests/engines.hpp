// The engines that tests share; instantiated once, in tests/engines.cpp.
#pragma once
#include "verbatim/backend/cuda/device.hpp"
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
/// What runs on a GPU, with the host executor in its place.
template <class T> struct emulated_llama : verbatim::pipeline<verbatim::cuda::emulated, verbatim::llama> {
  using dtype = T;
  using cache = verbatim::paged<16>;
  static constexpr verbatim::numerics contract{verbatim::guarantee::batch_invariant, 64, verbatim::cuda::emulated::contract.k_leaf};   // short leaves, which small prompts share
};
using emulated_llama_f32 = emulated_llama<float>;
using emulated_llama_bf16 = emulated_llama<verbatim::bf16>;

}  // namespace test_engines

extern template class verbatim::engine<test_engines::small_llama>;
extern template class verbatim::engine<test_engines::small_qwen3>;
extern template class verbatim::engine<test_engines::other_llama>;
extern template class verbatim::engine<test_engines::emulated_llama_f32>;
extern template class verbatim::engine<test_engines::emulated_llama_bf16>;
