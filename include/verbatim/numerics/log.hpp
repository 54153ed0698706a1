// Natural logarithm in double with bits that depend on nothing but the argument: every product-and-sum is an explicit fma,
// so no compiler can contract it differently. For the few logarithms that a row needs; error below 2 ulp.
#pragma once
#include <cstdint>

#include "verbatim/core/host_device.hpp"

namespace verbatim::math {

/// log(x) for finite, normal x > 0.
VERBATIM_HD inline double log(double x) noexcept {
  std::uint64_t const u = bits_as<std::uint64_t>(x);
  // Split into 2^e * m with m in [sqrt(1/2), sqrt(2)): the subtraction moves the split point of the mantissa to sqrt(1/2).
  constexpr std::uint64_t split = 0x3fe6a09e667f3bcdull;
  std::int64_t const e = std::int64_t(u - split) >> 52;
  double const f = bits_as<double>(u - (std::uint64_t(e) << 52)) - 1.0;   // exact
  double const s = f / (2.0 + f), z = s * s;                                    // log(1 + f) = 2 artanh(s)
  double r = 2.0 / 25;
  for (int k = 23; k >= 3; k -= 2) r = __builtin_fma(r, z, 2.0 / k);
  double const tail = z * r * s;
  double const log_m = __builtin_fma(2.0, s, tail);
  constexpr double ln2_high = 0x1.62e42fefa3800p-1, ln2_low = 0x1.ef35793c76730p-45;
  return __builtin_fma(double(e), ln2_high, __builtin_fma(double(e), ln2_low, log_m));
}

}  // namespace verbatim::math
