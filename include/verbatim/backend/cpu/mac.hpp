// One multiply-accumulate step of a dot product: sixteen outputs, and of each either one f32 product (fma) or two bf16
// products. The order within a bf16 pair is that of vdpbf16ps: first the odd element, then the even one, each product
// exact and each sum rounded to nearest even. The other instruction sets follow the same order with the same bits, but for
// one nuance: vdpbf16ps takes subnormal inputs as zero and flushes sums to zero that are subnormal even with all 24 bits, whatever MXCSR says; they do not.
// `dot_pair` is the instruction's scalar twin, that nuance included (tests/kernel/cpu_lanes.cpp).
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "verbatim/backend/cpu/simd.hpp"

namespace verbatim::cpu {

/// acc + the products of one word of weights and one word of activations; T says what a word holds.
template <class Isa, class T, class V> VERBATIM_INLINE V mac(V acc, V weights, V activations) noexcept {
  if constexpr (sizeof(T) == 4) {
    return fma(weights, activations, acc);
  } else {
#if VERBATIM_HAS_AVX512BF16
    if constexpr (std::is_same_v<Isa, avx512bf16>)
      return _mm512_dpbf16_ps(acc.v, (__m512bh)_mm512_castps_si512(weights.v), (__m512bh)_mm512_castps_si512(activations.v));
#endif
    acc = fma(weights.upper(), activations.upper(), acc);
    return fma(weights.lower(), activations.lower(), acc);
  }
}

/// What vdpbf16ps does to one lane: acc + w1 x1, then + w0 x0, with subnormals flushed.
inline float dot_pair(float acc, bf16 w0, bf16 w1, bf16 x0, bf16 x1) noexcept {
  constexpr float least = 0x1p-126f;
  auto const flushed = [](float x) { return std::fabs(x) < least ? std::copysign(0.0f, x) : x; };
  auto const add = [&](float sum, bf16 w, bf16 x) {
    float const a = flushed(to_float(w)), b = flushed(to_float(x)), rounded = math::fma(a, b, sum);
    if (!(std::fabs(rounded) <= 2 * least)) return rounded;
    // Whether it is subnormal is judged before its grid is: with 24 bits, as if exponents had no end. The double is exact enough: where
    // bits of the product are lost, the sum is far from the middle between two floats.
    double const exact = double(sum) + double(a) * double(b);
    return std::fabs(float(exact * 0x1p100)) < least * 0x1p100f ? std::copysign(0.0f, rounded) : rounded;
  };
  return add(add(flushed(acc), w1, x1), w0, x0);
}

}  // namespace verbatim::cpu
