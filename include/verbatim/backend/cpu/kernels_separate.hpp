// Where bodies are compiled once (core/separate.hpp), so are the kernels of this target's instruction set, products and the
// standard attention: they are most of what an engine of the CPU takes to compile, and the same in all of them. Included by ops.hpp; the
// one unit that compiles them writes VERBATIM_CPU_KERNELS(); in verbatim::cpu behind it. By default this declares nothing.
#pragma once
#if VERBATIM_SEPARATE_COMPILATION
#include <cstddef>

#include "verbatim/backend/cpu/attention.hpp"
#include "verbatim/backend/cpu/isa.hpp"
#include "verbatim/backend/cpu/leaf_attention.hpp"
#include "verbatim/backend/cpu/multiply_fma.hpp"
#include "verbatim/backend/cpu/multiply_int8.hpp"
#include "verbatim/core/bf16.hpp"

#define VERBATIM_CPU_PRODUCT(T, ...) \
  template void multiply_fma<native, T, __VA_ARGS__>(__VA_ARGS__, int, float const*, std::size_t, int, float*, bool, float*, lookahead) noexcept
#define VERBATIM_CPU_KERNELS(PREFIX)                 \
  PREFIX VERBATIM_CPU_PRODUCT(bf16, word_weights<bf16>);   \
  PREFIX VERBATIM_CPU_PRODUCT(bf16, float_weights<bf16>);  \
  PREFIX VERBATIM_CPU_PRODUCT(bf16, code_weights<8>);      \
  PREFIX VERBATIM_CPU_PRODUCT(bf16, code_weights<4>);      \
  PREFIX VERBATIM_CPU_PRODUCT(float, word_weights<float>);  \
  PREFIX VERBATIM_CPU_PRODUCT(float, float_weights<float>); \
  PREFIX VERBATIM_CPU_PRODUCT(float, code_weights<8>);      \
  PREFIX VERBATIM_CPU_PRODUCT(float, code_weights<4>);      \
  PREFIX template void multiply_int8<native>(quantised_block<4> const*, int, int8_block const*, std::size_t, int, float*, lookahead) noexcept; \
  PREFIX template class attention<native, bf16, leaf_attention::policy>; \
  PREFIX template class attention<native, float, leaf_attention::policy>

namespace verbatim::cpu {

VERBATIM_CPU_KERNELS(extern);

}  // namespace verbatim::cpu
#endif
