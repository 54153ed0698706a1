// Sixteen float lanes as a compiler vector: one AVX-512 register, or several smaller ones, with the same order of sums.
// Lane j of block b holds element 16 b + j; the last block is padded.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#include "verbatim/numerics/ordered.hpp"
#include "verbatim/numerics/units.hpp"

namespace verbatim::detail {

inline constexpr int lanes = 16;
using float_lanes = float __attribute__((vector_size(64)));
using int_lanes = std::int32_t __attribute__((vector_size(64)));
using float_half = float __attribute__((vector_size(32)));
using double_half = double __attribute__((vector_size(64)));
using units_half = std::uint64_t __attribute__((vector_size(64)));

/// Vectors are passed by reference: by value their ABI would depend on the instruction set.
inline void load(float_lanes& v, float const* p) noexcept { std::memcpy(&v, p, sizeof v); }
inline void load_padded(float_lanes& v, float const* p, std::size_t count, float pad) noexcept {
  float block[lanes];
  for (int j = 0; j < lanes; ++j) block[j] = std::size_t(j) < count ? p[j] : pad;
  load(v, block);
}
/// The block of `p` at i, zeros beyond `size`.
inline void load_at(float_lanes& v, float const* p, std::size_t i, std::size_t size) noexcept {
  if (i + lanes <= size) load(v, p + i);
  else load_padded(v, p + i, size - i, 0);
}
/// Calls f(vector, first index) for each block of 16; the last one is padded with `pad`.
template <class F> inline void each_block(std::span<float const> row, float pad, F&& f) {
  std::size_t i = 0;
  float_lanes v;
  for (; i + lanes <= row.size(); i += lanes) load(v, row.data() + i), f(v, i);
  if (i < row.size()) load_padded(v, row.data() + i, row.size() - i, pad), f(v, i);
}

/// Bit j is set where lane j is at least (greater than) `t`.
inline std::uint32_t mask_at_least(float_lanes const& v, float t) noexcept {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask((__m512)v, _mm512_set1_ps(t), _CMP_GE_OQ);
#elif defined(__AVX2__)
  __m256 h[2];
  std::memcpy(h, &v, sizeof h);
  auto const bits = [&](int i) { return std::uint32_t(_mm256_movemask_ps(_mm256_cmp_ps(h[i], _mm256_set1_ps(t), _CMP_GE_OQ))); };
  return bits(0) | bits(1) << 8;
#else
  std::uint32_t m = 0;
  for (int j = 0; j < lanes; ++j) m |= std::uint32_t(v[j] >= t) << j;
  return m;
#endif
}
inline float next_above(float t) noexcept;   // for finite t: x > t is x >= next_above(t)

/// to = a * b + c, rounded once. Written out: what a compiler fuses of its own accord depends on its options.
inline void multiply_add(float_lanes& to, float_lanes const& a, float_lanes const& b, float_lanes const& c) noexcept {
#if defined(__AVX512F__)
  to = (float_lanes)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  __m256 x[2], y[2], z[2];
  std::memcpy(x, &a, sizeof x), std::memcpy(y, &b, sizeof y), std::memcpy(z, &c, sizeof z);
  for (int h = 0; h < 2; ++h) x[h] = _mm256_fmadd_ps(x[h], y[h], z[h]);
  std::memcpy(&to, x, sizeof x);
#else
  for (int j = 0; j < lanes; ++j) to[j] = __builtin_fmaf(a[j], b[j], c[j]);
#endif
}

/// exp(x) for x <= 0, relative error below 2^-22. Below -87 (masked included) the result is that of -87, below 2^-125: it
/// vanishes beside the peak's 1 in every sum that is made of it. kernel/logit_row.hpp has the same operations.
inline void exp_lanes(float_lanes& x) noexcept {
  auto const all = [](float_lanes& v, float c) { v = float_lanes{} + c; };
  float_lanes a, b, shifted, r, p;
  all(a, -87.0f);
  x = x > a ? x : a;
  all(a, 1.44269504f), all(b, 12582912.0f);                    // 1.5 * 2^23: rounds to the nearest integer
  multiply_add(shifted, x, a, b);
  float_lanes const n = shifted - b;
  all(a, -0.693359375f), multiply_add(r, n, a, x);             // ln 2 in two parts
  all(a, 2.12194440e-4f), multiply_add(r, n, a, r);
  all(a, 1.9875691500e-4f), all(b, 1.3981999507e-3f), multiply_add(p, r, a, b);   // minimax polynomial of Cephes' expf
  all(b, 8.3334519073e-3f), multiply_add(p, p, r, b);
  all(b, 4.1665795894e-2f), multiply_add(p, p, r, b);
  all(b, 1.6666665459e-1f), multiply_add(p, p, r, b);
  all(b, 5.0000001201e-1f), multiply_add(p, p, r, b);
  float_lanes const square = r * r;
  multiply_add(p, p, square, r);
  p = p + 1.0f;
  x = (float_lanes)((int_lanes)p + (((int_lanes)shifted) << 23));   // the low bits of `shifted` are the integer n
}

/// Stores the lanes of v whose bit is set, in order, and returns how many. Writes up to 16 floats.
inline std::size_t store_selected(float* to, float_lanes const& v, std::uint32_t mask) noexcept {
#if defined(__AVX512F__)
  _mm512_storeu_ps(to, _mm512_maskz_compress_ps(__mmask16(mask), (__m512)v));
#else
  float* p = to;
  for (std::uint32_t m = mask; m; m &= m - 1) *p++ = v[std::countr_zero(m)];
#endif
  return std::size_t(std::popcount(mask));
}

inline void to_doubles(double_half (&to)[2], float_lanes const& v) noexcept {
#if defined(__AVX512F__)
  __m512d const bits = _mm512_castps_pd((__m512)v);   // zero-masked forms: see detail/noise.hpp
  __m256d const low = _mm512_maskz_extractf64x4_pd(0xff, bits, 0), high = _mm512_maskz_extractf64x4_pd(0xff, bits, 1);
  to[0] = (double_half)_mm512_maskz_cvtps_pd(0xff, _mm256_castpd_ps(low));
  to[1] = (double_half)_mm512_maskz_cvtps_pd(0xff, _mm256_castpd_ps(high));
#else
  float_half low, high;
  std::memcpy(&low, &v, sizeof low);
  std::memcpy(&high, reinterpret_cast<char const*>(&v) + sizeof low, sizeof high);
  to[0] = __builtin_convertvector(low, double_half);
  to[1] = __builtin_convertvector(high, double_half);
#endif
}
/// Adds the lanes to two sets of eight double accumulators.
inline void add_as_double(double_half (&sum)[2], float_lanes const& v) noexcept {
  double_half d[2];
  to_doubles(d, v);
  sum[0] += d[0], sum[1] += d[1];
}
/// The same with integers, in units that the values are rounded to (numerics/units.hpp); each call adds `unit_origin` too.
inline void add_as_units(units_half (&sum)[2], float_lanes const& v) noexcept {
  double_half d[2];
  to_doubles(d, v);
  sum[0] += (units_half)(d[0] + unit_shift), sum[1] += (units_half)(d[1] + unit_shift);
}
inline double total(double_half const (&sum)[2]) noexcept {
  double t = 0;
  for (int h = 0; h < 2; ++h)
    for (int j = 0; j < 8; ++j) t += sum[h][j];
  return t;
}

inline float next_above(float t) noexcept { return t == 0 ? std::numeric_limits<float>::denorm_min() : from_key(key_of(t) + 1); }

}  // namespace verbatim::detail
