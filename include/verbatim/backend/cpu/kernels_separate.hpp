// Where bodies are compiled once (core/separate.hpp), so is the standard backend of this target's instruction set, with its products and
// its attention: it is most of what an engine of the CPU takes to compile, and the same in all of them. Included by ops.hpp; the one
// unit that compiles it writes VERBATIM_CPU_KERNELS(); in namespace verbatim behind it. By default this declares nothing.
#pragma once
#if VERBATIM_SEPARATE_COMPILATION
#include <cstddef>

#include "verbatim/backend/cpu/ops.hpp"
#include "verbatim/core/bf16.hpp"

#define VERBATIM_CPU_PRODUCT(T, ...) \
  template void cpu::multiply_fma<cpu::native, T, cpu::__VA_ARGS__>(cpu::__VA_ARGS__, int, float const*, std::size_t, int, float*, bool, float*, cpu::lookahead) noexcept
#define VERBATIM_CPU_KERNELS(PREFIX)                 \
  PREFIX VERBATIM_CPU_PRODUCT(bf16, word_weights<bf16>);   \
  PREFIX VERBATIM_CPU_PRODUCT(bf16, float_weights<bf16>);  \
  PREFIX VERBATIM_CPU_PRODUCT(bf16, code_weights<8>);      \
  PREFIX VERBATIM_CPU_PRODUCT(bf16, code_weights<4>);      \
  PREFIX VERBATIM_CPU_PRODUCT(float, word_weights<float>);  \
  PREFIX VERBATIM_CPU_PRODUCT(float, float_weights<float>); \
  PREFIX VERBATIM_CPU_PRODUCT(float, code_weights<8>);      \
  PREFIX VERBATIM_CPU_PRODUCT(float, code_weights<4>);      \
  PREFIX template void cpu::multiply_int8<cpu::native>(cpu::quantised_block<4> const*, int, cpu::int8_block const*, std::size_t, int, float*, cpu::lookahead) noexcept; \
  PREFIX template class cpu::attention<cpu::native, bf16, cpu::leaf_attention::policy>; \
  PREFIX template class cpu::attention<cpu::native, float, cpu::leaf_attention::policy>; \
  PREFIX template class cpu::backend<cpu::native, bf16, cpu::leaf_attention, cpu::packed_linear>; \
  PREFIX template class cpu::backend<cpu::native, float, cpu::leaf_attention, cpu::packed_linear>

namespace verbatim {

VERBATIM_CPU_KERNELS(extern);

}  // namespace verbatim
#endif
