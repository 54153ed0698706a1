// Sixteen float lanes as a compiler vector: one AVX-512 register, or several smaller ones, with the same order of sums.
// Lane j of block b holds element 16 b + j; the last block is padded.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#if defined(__AVX__)
#include <immintrin.h>
#endif

#include "verbatim/numerics/ordered.hpp"
#include "verbatim/numerics/units.hpp"

namespace verbatim::detail {

inline constexpr int lanes = 16;
using float_lanes = float __attribute__((vector_size(64)));
using float_half = float __attribute__((vector_size(32)));
using double_half = double __attribute__((vector_size(64)));
using units_half = std::uint64_t __attribute__((vector_size(64)));

/// What one register holds of them. g++ 12 takes a vector that is wider than a register apart, lane by lane, to compare or convert it.
#if defined(__AVX512F__)
inline constexpr int register_lanes = 16;
#elif defined(__AVX__)
inline constexpr int register_lanes = 8;
#else
inline constexpr int register_lanes = 4;
#endif
using float_register = float __attribute__((vector_size(4 * register_lanes)));
using int_register = std::int32_t __attribute__((vector_size(4 * register_lanes)));

/// Vectors of sixteen are passed by reference: by value their ABI would depend on the instruction set.
/// Loads a register at a time: in smaller pieces, as g++ copies 64 bytes, what is loaded next would wait for the stores.
[[gnu::always_inline]] inline void load(float_lanes& v, float const* p) noexcept {
  for (int first = 0; first < lanes; first += register_lanes) {
    float_register r;
    std::memcpy(&r, p + first, sizeof r);
    std::memcpy(reinterpret_cast<float*>(&v) + first, &r, sizeof r);
  }
}
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
/// Calls f(register, register of more...), which may change the first, for each part of v and of `more`.
template <class F, class... More> [[gnu::always_inline]] inline void each_register(F&& f, float_lanes& v, More const&... more) noexcept {
  auto const part = [](auto const& from, int first) {
    float_register r;
    std::memcpy(&r, reinterpret_cast<float const*>(&from) + first, sizeof r);
    return r;
  };
  for (int first = 0; first < lanes; first += register_lanes) {
    float_register r = part(v, first);
    f(r, part(more, first)...);
    std::memcpy(reinterpret_cast<float*>(&v) + first, &r, sizeof r);
  }
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

/// a * b + c, rounded once. Written out: what a compiler fuses of its own accord depends on its options.
[[gnu::always_inline]] inline float_register multiply_add(float_register const& a, float_register const& b, float_register const& c) noexcept {
#if defined(__AVX512F__)
  return (float_register)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (float_register)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  float_register to;
  for (int j = 0; j < register_lanes; ++j) to[j] = __builtin_fmaf(a[j], b[j], c[j]);
  return to;
#endif
}

/// to = exp(x - peak) of sixteen x <= peak, relative error below 2^-22. Below -87 (masked included) the result is that of -87, below 2^-125: it
/// vanishes beside the peak's 1 in every sum that is made of it. kernel/logit_row.hpp has the same operations.
[[gnu::always_inline]] inline void exp_lanes(float_lanes& to, float const* from, float peak) noexcept {
  auto const all = [](float c) __attribute__((always_inline)) { return float_register{} + c; };
  for (int first = 0; first < lanes; first += register_lanes) {
    float_register x;
    std::memcpy(&x, from + first, sizeof x);
    x -= peak;
    float_register const least = all(-87.0f), magic = all(12582912.0f);   // 1.5 * 2^23: rounds to the nearest integer
    x = x > least ? x : least;
    float_register const shifted = multiply_add(x, all(1.44269504f), magic), n = shifted - magic;
    float_register r = multiply_add(n, all(-0.693359375f), x);            // ln 2 in two parts
    r = multiply_add(n, all(2.12194440e-4f), r);
    float_register p = multiply_add(r, all(1.9875691500e-4f), all(1.3981999507e-3f));   // minimax polynomial of Cephes' expf
    for (float c : {8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) p = multiply_add(p, r, all(c));
    p = multiply_add(p, r * r, r) + 1.0f;
    x = (float_register)((int_register)p + ((int_register)shifted << 23));   // the low bits of `shifted` are the integer n
    std::memcpy(reinterpret_cast<float*>(&to) + first, &x, sizeof x);
  }
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
#elif defined(__AVX__)
  __m128 quarter[4];
  __m256d wide[4];
  std::memcpy(quarter, &v, sizeof quarter);
  for (int i = 0; i < 4; ++i) wide[i] = _mm256_cvtps_pd(quarter[i]);
  std::memcpy(to, wide, sizeof wide);
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
