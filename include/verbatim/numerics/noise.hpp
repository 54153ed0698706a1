// Gumbel noise as a function of (seed, position, token id) and of nothing else: a number of 48 bits per id, w = (n + 1/2) / 2^48, and
// g = -log(-log(1 - w)) in double, at most 34. The upper 16 bits decide for nearly all ids that they cannot win; the lower 32 are drawn
// for the others. 128 consecutive ids share sixteen counters for their upper bits: id = 128 b + 32 k + 16 h + j takes half h of word k
// of counter 16 b + j, so that they come out of vector registers, or of neighbouring threads, in the order of ids.
#pragma once
#include "verbatim/core/philox.hpp"
#include "verbatim/core/token.hpp"
#include "verbatim/numerics/log.hpp"

namespace verbatim {

inline constexpr std::uint32_t noise_domain = 0x67756d62u;
/// Above the largest noise, -log(-log(1 - 2^-49)) = 33.96.
inline constexpr float noise_bound = 34.0f;

/// The noise at one position of one seed.
struct gumbel_noise {
  philox_key key;
  std::uint32_t position;
  /// The four words of counter `index`.
  VERBATIM_HD constexpr philox_counter words(std::uint32_t index) const noexcept { return philox({index, position, 0, noise_domain}, key); }
  /// Of an id, given the upper bits of its number.
  VERBATIM_HD double value(token id, std::uint32_t upper) const noexcept {
    std::uint32_t const lower = philox({std::uint32_t(id), position, 1, noise_domain}, key)[0];
    double const one_minus_w = __builtin_fma(double(std::uint64_t(upper) << 32 | lower) + 0.5, -0x1p-48, 1.0);   // exact: w is a multiple of 2^-49
    return -math::log(-math::log(one_minus_w));
  }
  VERBATIM_HD double value(token id) const noexcept {
    std::uint32_t const i = std::uint32_t(id), word = words(i / 128 * 16 + i % 16)[i / 32 % 4];
    return value(id, i / 16 % 2 ? word >> 16 : word & 0xffffu);
  }
};

/// A lower bound of log2 of a number's upper bits times 2^-16: an id can win against `best` only where (x - best) / ln 2 reaches it. That
/// x + g >= best needs log2(w) <= (x - best) / ln 2, because -log(1 - w) >= w; and the bits of a float, read as an integer, are a lower
/// bound of its logarithm.
VERBATIM_HD inline float least_log2(std::uint32_t upper) noexcept {
  return __builtin_fmaf(float(std::int32_t(bits_as<std::uint32_t>(float(upper)))), 0x1p-23f, -(127.0f + 16.0f));
}

/// A lower bound of the noise of a number with these upper bits. Below a quarter -log(1 - w) < 1.151 w, and least_log2 is 0.087 too low at
/// most; above, the least of all noise is -3.53.
VERBATIM_HD inline float least_noise(std::uint32_t upper) noexcept {
  return upper < 0x3fff ? __builtin_fmaf(least_log2(upper + 1), -0.6931472f, -0.21f) : -3.6f;
}

}  // namespace verbatim
