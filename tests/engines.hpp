// The engines that tests share; instantiated once, in tests/engines.cpp.
#pragma once
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

}  // namespace test_engines

extern template class verbatim::engine<test_engines::small_llama>;
extern template class verbatim::engine<test_engines::small_qwen3>;
extern template class verbatim::engine<test_engines::other_llama>;
