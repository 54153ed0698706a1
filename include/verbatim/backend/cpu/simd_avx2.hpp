// lanes<avx2>: two ymm registers, lanes 0-7 and 8-15.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "verbatim/backend/cpu/simd.hpp"

namespace verbatim::cpu {

template <> struct lanes<avx2> {
  __m256 a, b;

  lanes() = default;
  VERBATIM_INLINE lanes(__m256 low, __m256 high) noexcept : a(low), b(high) {}
  VERBATIM_INLINE explicit lanes(float x) noexcept : a(_mm256_set1_ps(x)), b(a) {}
  VERBATIM_INLINE static lanes load(float const* p) noexcept { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  VERBATIM_INLINE static lanes load(bf16 const* p) noexcept { return {widen(p), widen(p + 8)}; }
  VERBATIM_INLINE static lanes load_words(std::uint32_t const* p) noexcept {
    auto const q = reinterpret_cast<__m256i const*>(p);
    return {_mm256_castsi256_ps(_mm256_loadu_si256(q)), _mm256_castsi256_ps(_mm256_loadu_si256(q + 1))};
  }
  VERBATIM_INLINE static lanes all_words(std::uint32_t w) noexcept {
    __m256 const x = _mm256_castsi256_ps(_mm256_set1_epi32(int(w)));
    return {x, x};
  }
  VERBATIM_INLINE void store(float* p) const noexcept { _mm256_storeu_ps(p, a), _mm256_storeu_ps(p + 8, b); }
  VERBATIM_INLINE void store(bf16* p) const noexcept {
    __m256i const packed = _mm256_packus_epi32(_mm256_srli_epi32(rounded(a), 16), _mm256_srli_epi32(rounded(b), 16));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(packed, 0xd8));
  }
  VERBATIM_INLINE lanes to_bf16() const noexcept { return {high_half(rounded(a)), high_half(rounded(b))}; }
  VERBATIM_INLINE lanes lower() const noexcept {
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a), 16)),
            _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(b), 16))};
  }
  VERBATIM_INLINE lanes upper() const noexcept { return {high_half(_mm256_castps_si256(a)), high_half(_mm256_castps_si256(b))}; }
  VERBATIM_INLINE lanes field(int first, int count) const noexcept { return {field(a, first, count), field(b, first, count)}; }
  VERBATIM_INLINE lanes keep(int first, int last, float x) const noexcept {
    return {keep(a, first, last, x), keep(b, first - 8, last - 8, x)};
  }

  VERBATIM_INLINE friend lanes operator+(lanes x, lanes y) noexcept { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
  VERBATIM_INLINE friend lanes operator-(lanes x, lanes y) noexcept { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
  VERBATIM_INLINE friend lanes operator*(lanes x, lanes y) noexcept { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
  VERBATIM_INLINE friend lanes operator/(lanes x, lanes y) noexcept { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
  VERBATIM_INLINE friend lanes max(lanes x, lanes y) noexcept { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
  VERBATIM_INLINE friend lanes min(lanes x, lanes y) noexcept { return {_mm256_min_ps(x.a, y.a), _mm256_min_ps(x.b, y.b)}; }
  VERBATIM_INLINE friend lanes fma(lanes x, lanes y, lanes z) noexcept {
    return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
  }
  VERBATIM_INLINE friend lanes power_of_two(lanes n) noexcept { return {power(n.a), power(n.b)}; }

 private:
  VERBATIM_INLINE static __m256 widen(bf16 const* p) noexcept {
    __m128i const half = _mm_loadu_si128(reinterpret_cast<__m128i const*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
  }
  VERBATIM_INLINE static __m256 high_half(__m256i u) noexcept {
    return _mm256_castsi256_ps(_mm256_and_si256(u, _mm256_set1_epi32(int(0xffff0000u))));
  }
  VERBATIM_INLINE static __m256 field(__m256 x, int first, int count) noexcept {
    __m256i const bits = _mm256_and_si256(_mm256_srli_epi32(_mm256_castps_si256(x), first), _mm256_set1_epi32((1 << count) - 1));
    return _mm256_castsi256_ps(_mm256_or_si256(bits, _mm256_set1_epi32(0x4b000000)));
  }
  VERBATIM_INLINE static __m256i rounded(__m256 x) noexcept {
    __m256i const u = _mm256_castps_si256(x);
    __m256i const odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    __m256i const nearest = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    __m256i const quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x400000));
    return _mm256_blendv_epi8(nearest, quiet, _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q)));
  }
  VERBATIM_INLINE static __m256 keep(__m256 x, int first, int last, float other) noexcept {
    __m256i const i = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    __m256i const at_least = _mm256_cmpgt_epi32(i, _mm256_set1_epi32(first - 1));
    __m256i const inside = _mm256_and_si256(at_least, _mm256_cmpgt_epi32(_mm256_set1_epi32(last), i));
    return _mm256_blendv_ps(_mm256_set1_ps(other), x, _mm256_castsi256_ps(inside));
  }
  VERBATIM_INLINE static __m256 power(__m256 n) noexcept {
    __m256i const bits = _mm256_castps_si256(_mm256_add_ps(n, _mm256_set1_ps(math::round_shift)));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(127)), 23));
  }
};

}  // namespace verbatim::cpu
