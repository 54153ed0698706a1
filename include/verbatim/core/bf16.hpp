// The two 16-bit floating-point formats of checkpoints, as storage with exact conversions.
// Arithmetic is always done in f32; rounding to bf16 is to nearest even, as torch does.
#pragma once
#include <cstdint>

#include "verbatim/core/host_device.hpp"

namespace verbatim {

/// bfloat16: the upper half of an IEEE binary32.
struct bf16 {
  std::uint16_t bits;
  friend constexpr bool operator==(bf16, bf16) = default;
};

/// IEEE binary16. Only a storage format: weights in it are widened to f32 at load, exactly.
struct f16 {
  std::uint16_t bits;
  friend constexpr bool operator==(f16, f16) = default;
};

VERBATIM_HD constexpr float to_float(float x) noexcept { return x; }
VERBATIM_HD constexpr float to_float(bf16 x) noexcept { return bits_as<float>(std::uint32_t(x.bits) << 16); }
VERBATIM_HD constexpr float to_float(f16 x) noexcept {
  std::uint32_t const sign = std::uint32_t(x.bits & 0x8000u) << 16, exponent = (x.bits >> 10) & 31u, mantissa = x.bits & 0x3ffu;
  if (exponent == 31) return bits_as<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent != 0) return bits_as<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  return bits_as<float>(sign | bits_as<std::uint32_t>(float(mantissa) * 0x1p-24f));   // subnormal, or zero: exact
}

/// Round to nearest even; NaN stays NaN (quiet).
VERBATIM_HD constexpr bf16 to_bf16(float x) noexcept {
  std::uint32_t const u = bits_as<std::uint32_t>(x);
  if ((u & 0x7fffffffu) > 0x7f800000u) return {std::uint16_t((u >> 16) | 0x40u)};
  return {std::uint16_t((u + 0x7fffu + ((u >> 16) & 1u)) >> 16)};
}

/// `from_float<T>(x)`: x in the storage type T (f32 unchanged, bf16 rounded to nearest even).
template <class T> VERBATIM_HD constexpr T from_float(float x) noexcept;
template <> VERBATIM_HD constexpr float from_float<float>(float x) noexcept { return x; }
template <> VERBATIM_HD constexpr bf16 from_float<bf16>(float x) noexcept { return to_bf16(x); }

}  // namespace verbatim
