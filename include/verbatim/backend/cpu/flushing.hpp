// What vdpbf16ps does with subnormals, for code that does its work by other instructions.
#pragma once
#include "verbatim/backend/cpu/isa.hpp"

#if VERBATIM_HAS_AVX512BF16
#include <immintrin.h>
#endif

namespace verbatim::cpu {

/// Subnormals are zeros while it lives, going in and coming out, as vdpbf16ps has it; elsewhere they stay.
template <class Isa, bool Bf16 = true> struct flushing {
#if VERBATIM_HAS_AVX512BF16
  static constexpr bool wanted = Bf16 && Isa::flushes_bf16;
  static constexpr unsigned bits = 0x8040;   // FTZ, DAZ
  flushing() noexcept { if constexpr (wanted) _mm_setcsr(before | bits); }
  ~flushing() { if constexpr (wanted) _mm_setcsr(before); }
  unsigned before = wanted ? _mm_getcsr() : 0;
#else
  flushing() noexcept {}
  ~flushing() {}
#endif
  flushing(flushing const&) = delete;
};

}  // namespace verbatim::cpu
