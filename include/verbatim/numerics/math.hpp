// Elementary functions with bits of our own: only +, -, *, /, fma and bit moves, all correctly rounded by IEEE 754, so
// every compiler, libm and vector width gives the same result. `exp` and `silu` are templates over a value V that is
// float or a vector of floats (backend/cpu/simd.hpp); the operations are found by argument-dependent lookup.
// Every a*b+c is written as fma, which leaves nothing for -ffp-contract to change. Accuracy: exp <= 1.1 ulp,
// log <= 1.5 ulp, silu <= 3 ulp (tests/unit/numerics_math.cpp).
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

#include "verbatim/core/host_device.hpp"

#if defined(__FAST_MATH__)
#error "verbatim: -ffast-math changes the bits that the library promises; compile without it"
#endif

namespace verbatim {

/// Of the bits of the functions here and of the trees in numerics/reduce.hpp: part of every contract's digest.
inline constexpr int functions_revision = 1;

}  // namespace verbatim

namespace verbatim::math {

// The scalar versions of what vectors offer.
VERBATIM_HD constexpr float max(float a, float b) noexcept { return a > b ? a : b; }  // b where either is NaN, as maxps
VERBATIM_HD constexpr float min(float a, float b) noexcept { return a < b ? a : b; }
VERBATIM_HD inline float fma(float a, float b, float c) noexcept { return __builtin_fmaf(a, b, c); }

/// 1.5 * 2^23: adding it rounds |x| < 2^22 to the nearest integer, ties to even, and leaves that integer in the low bits.
inline constexpr float round_shift = 12582912.0f;

/// 2^n for an integral n in [-126, 127].
VERBATIM_HD inline float power_of_two(float n) noexcept {
  return bits_as<float>((bits_as<std::uint32_t>(n + round_shift) + 127u) << 23);
}

/// p * 2^n, rounded once, for p in [1/2, 2] and an integral n in [-150, 128]: two factors, so that n = 128 and subnormal results need no
/// special case. Vectors with an instruction for it have their own.
template <class V> VERBATIM_HD inline V scaled(V p, V n) noexcept {
  V const half = fma(n, V(0.5f), V(round_shift)) - V(round_shift);
  return (p * power_of_two(half)) * power_of_two(n - half);
}

/// e^x; 0 below -104, infinity above 88.73, NaN for NaN. Subnormal results are rounded like any other.
template <class V> VERBATIM_HD inline V exp(V x) noexcept {
  x = min(V(89.0f), max(V(-104.0f), x));
  V const shifted = fma(x, V(1.4426950408889634f), V(round_shift));
  V const n = shifted - V(round_shift);
  V r = fma(n, V(-0.693147182464599609375f), x);   // ln 2 rounded to f32 ...
  r = fma(n, V(1.904654299957767e-9f), r);         // ... and what the rounding took
  // Taylor to degree 7: the next term is 0.3466^8 / 8! = 5e-9 of the result, a sixth of half an ulp.
  V p = V(1.0f / 5040);
  p = fma(p, r, V(1.0f / 720));
  p = fma(p, r, V(1.0f / 120));
  p = fma(p, r, V(1.0f / 24));
  p = fma(p, r, V(1.0f / 6));
  p = fma(p, r, V(0.5f));
  p = fma(p, r, V(1.0f));
  p = fma(p, r, V(1.0f));
  return scaled(p, n);
}

/// x * sigmoid(x).
template <class V> VERBATIM_HD inline V silu(V x) noexcept { return x / (V(1.0f) + exp(V(0.0f) - x)); }

/// Natural logarithm; -infinity at 0, NaN below 0 and for NaN.
VERBATIM_HD inline float log(float x) noexcept {
  if (!(x > 0.0f)) return x == 0.0f ? -__builtin_inff() : __builtin_nanf("");
  if (x == __builtin_inff()) return x;
  float shift = 0;
  if (x < 0x1p-126f) x *= 0x1p24f, shift = -24;
  std::uint32_t const bits = bits_as<std::uint32_t>(x);
  // Split so that the mantissa lies in [sqrt(1/2), sqrt(2)): 0x3f3504f3 is sqrt(1/2).
  std::uint32_t const offset = bits - 0x3f3504f3u;
  float const e = float(std::int32_t(offset) >> 23) + shift;
  float const m = bits_as<float>((offset & 0x7fffffu) + 0x3f3504f3u);
  float const f = m - 1.0f;                       // exact
  float const s = f / (m + 1.0f), z = s * s;      // log m = 2 atanh(s), |s| <= 0.172
  float p = 1.0f / 11;
  p = fma(p, z, 1.0f / 9);
  p = fma(p, z, 1.0f / 7);
  p = fma(p, z, 1.0f / 5);
  p = fma(p, z, 1.0f / 3);
  // log m = f - s (f - 2 z p) keeps the exact f as the leading term: 2s = f - s f.
  float const tail = fma(e, -1.904654299957767e-9f, s * fma(2.0f * z, p, 0.0f - f));
  return fma(e, 0.693147182464599609375f, f + tail);
}

struct sine_cosine { float sine, cosine; };

/// Both of an angle in radians, |x| < 2^30; computed in f64 and rounded once.
VERBATIM_HD inline sine_cosine sin_cos(float angle) noexcept {
  double const x = double(angle);
  double const n = std::floor(__builtin_fma(x, 0.63661977236758134308, 0.5));
  double r = __builtin_fma(n, -1.57079632679489655800, x);
  r = __builtin_fma(n, -6.12323399573676603587e-17, r);
  double const z = r * r;
  double s = 1.0 / 6227020800.0, c = -1.0 / 87178291200.0;   // Taylor: the next terms are below 1e-13
  s = __builtin_fma(s, z, -1.0 / 39916800.0);
  s = __builtin_fma(s, z, 1.0 / 362880.0);
  s = __builtin_fma(s, z, -1.0 / 5040.0);
  s = __builtin_fma(s, z, 1.0 / 120.0);
  s = __builtin_fma(s, z, -1.0 / 6.0);
  s = __builtin_fma(s * z, r, r);
  c = __builtin_fma(c, z, 1.0 / 479001600.0);
  c = __builtin_fma(c, z, -1.0 / 3628800.0);
  c = __builtin_fma(c, z, 1.0 / 40320.0);
  c = __builtin_fma(c, z, -1.0 / 720.0);
  c = __builtin_fma(c, z, 1.0 / 24.0);
  c = __builtin_fma(c, z, -0.5);
  c = __builtin_fma(c, z, 1.0);
  switch (std::int64_t(n) & 3) {
    case 0: return {float(s), float(c)};
    case 1: return {float(c), float(-s)};
    case 2: return {float(-s), float(-c)};
    default: return {float(-c), float(s)};
  }
}

}  // namespace verbatim::math
