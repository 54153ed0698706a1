// lanes<avx512>: one zmm register. Some intrinsics come in their masked form with all lanes on: the same instruction, but the
// plain form makes g++ 12 warn of an uninitialised register inside its own header.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "verbatim/backend/cpu/simd.hpp"

namespace verbatim::cpu {

template <> struct lanes<avx512> {
  __m512 v;
  static constexpr __mmask16 all = 0xffff;

  lanes() = default;
  VERBATIM_INLINE lanes(__m512 x) noexcept : v(x) {}
  VERBATIM_INLINE explicit lanes(float x) noexcept : v(_mm512_set1_ps(x)) {}
  VERBATIM_INLINE static lanes load(float const* p) noexcept { return _mm512_loadu_ps(p); }
  VERBATIM_INLINE static lanes load(bf16 const* p) noexcept {
    __m256i const half = _mm256_loadu_si256(reinterpret_cast<__m256i const*>(p));
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(all, _mm512_maskz_cvtepu16_epi32(all, half), 16));
  }
  VERBATIM_INLINE static lanes load_words(std::uint32_t const* p) noexcept { return _mm512_castsi512_ps(_mm512_loadu_si512(p)); }
  VERBATIM_INLINE static lanes all_words(std::uint32_t w) noexcept { return _mm512_castsi512_ps(_mm512_set1_epi32(int(w))); }
  VERBATIM_INLINE void store(float* p) const noexcept { _mm512_storeu_ps(p, v); }
  VERBATIM_INLINE void store(bf16* p) const noexcept {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), halves());
  }
  VERBATIM_INLINE lanes to_bf16() const noexcept {
#if VERBATIM_HAS_AVX512BF16
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(all, _mm512_maskz_cvtepu16_epi32(all, halves()), 16));
#else
    return _mm512_castsi512_ps(_mm512_and_si512(rounded(), _mm512_set1_epi32(int(0xffff0000u))));
#endif
  }
  VERBATIM_INLINE lanes lower() const noexcept { return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(all, _mm512_castps_si512(v), 16)); }
  VERBATIM_INLINE lanes upper() const noexcept {
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(int(0xffff0000u))));
  }
  VERBATIM_INLINE lanes field(int first, int count) const noexcept {
    __m512i const shifted = _mm512_maskz_srli_epi32(all, _mm512_castps_si512(v), unsigned(first));
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(shifted, _mm512_set1_epi32((1 << count) - 1), _mm512_set1_epi32(0x4b000000), 0xea));
  }
  VERBATIM_INLINE lanes keep(int first, int last, float x) const noexcept {
    auto const below = [](int n) { return n <= 0 ? 0u : n >= 16 ? 0xffffu : (1u << n) - 1u; };
    return _mm512_mask_blend_ps(__mmask16(below(last) & ~below(first)), _mm512_set1_ps(x), v);
  }

  VERBATIM_INLINE friend lanes operator+(lanes a, lanes b) noexcept { return _mm512_add_ps(a.v, b.v); }
  VERBATIM_INLINE friend lanes operator-(lanes a, lanes b) noexcept { return _mm512_sub_ps(a.v, b.v); }
  VERBATIM_INLINE friend lanes operator*(lanes a, lanes b) noexcept { return _mm512_mul_ps(a.v, b.v); }
  VERBATIM_INLINE friend lanes operator/(lanes a, lanes b) noexcept { return _mm512_div_ps(a.v, b.v); }
  VERBATIM_INLINE friend lanes max(lanes a, lanes b) noexcept { return _mm512_maskz_max_ps(all, a.v, b.v); }
  VERBATIM_INLINE friend lanes min(lanes a, lanes b) noexcept { return _mm512_maskz_min_ps(all, a.v, b.v); }
  VERBATIM_INLINE friend lanes fma(lanes a, lanes b, lanes c) noexcept { return _mm512_fmadd_ps(a.v, b.v, c.v); }
  VERBATIM_INLINE friend lanes scaled(lanes p, lanes n) noexcept { return _mm512_maskz_scalef_ps(all, p.v, n.v); }

 private:
  /// The nearest bf16 of each lane. vcvtneps2bf16 gives those, but flushes subnormals, which are seldom there.
  VERBATIM_INLINE __m256i halves() const noexcept {
#if VERBATIM_HAS_AVX512BF16
    if (constexpr int subnormal = 0x20; __builtin_expect(_mm512_mask_fpclass_ps_mask(all, v, subnormal) == 0, 1)) return __m256i(_mm512_cvtneps_pbh(v));
#endif
    return _mm512_maskz_cvtepi32_epi16(all, _mm512_maskz_srli_epi32(all, rounded(), 16));
  }
  /// Bits whose upper half is the bf16 nearest to each lane.
  VERBATIM_INLINE __m512i rounded() const noexcept {
    __m512i const u = _mm512_castps_si512(v);
    __m512i const odd = _mm512_and_si512(_mm512_maskz_srli_epi32(all, u, 16), _mm512_set1_epi32(1));
    __m512i const nearest = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    return _mm512_mask_or_epi32(nearest, _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q), u, _mm512_set1_epi32(0x400000));
  }
};

}  // namespace verbatim::cpu
