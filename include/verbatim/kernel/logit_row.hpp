// A row of logits as kernels of sampling see it, and what the threads of a block find out together. The device has the operations of
// the host's chain (sampling/detail/lanes.hpp), and nothing is added up but integers, so no result depends on how a row is cut.
#pragma once
#include "verbatim/kernel/values.hpp"
#include "verbatim/numerics/ordered.hpp"
#include "verbatim/numerics/units.hpp"

namespace verbatim::kernel {

/// Logits over the temperature; those below `cut` are masked.
template <class Grid> struct logit_row {
  Grid g;
  global<float const> logits;
  std::size_t first;
  int size;
  float temperature, cut;
  VERBATIM_KERNEL float over_temperature(float x) const { return temperature == 1 ? x : quotient(x, temperature); }
  VERBATIM_KERNEL float processed(float x) const {
    float const y = over_temperature(x);
    return y >= cut || y != y ? y : -__builtin_inff();
  }
  VERBATIM_KERNEL float raw(int i) const { return g.load(logits, first + std::size_t(i)); }
  VERBATIM_KERNEL float at(int i) const { return processed(raw(i)); }
  /// Masks what lies below min(t, peak), and what was masked; t of -infinity masks nothing.
  VERBATIM_KERNEL void mask_below(float t, float peak) {
    float const to = t < peak ? t : peak;
    if (to > cut) cut = to;
  }
};

VERBATIM_KERNEL bool is_finite(float x) { return x > -__builtin_inff() && x < __builtin_inff(); }

/// Every thread's value for the thread `mask` lanes away: any plain value of whole words.
template <class Grid, class T> VERBATIM_KERNEL T from_lane(Grid g, T const& v, int mask) {
  static_assert(sizeof(T) % 4 == 0);
  struct words {
    std::uint32_t word[sizeof(T) / 4];
  };
  words w = bits_as<words>(v);
  VERBATIM_UNROLL for (std::size_t i = 0; i < sizeof(T) / 4; ++i) w.word[i] = g.shfl_xor(w.word[i], mask);
  return bits_as<T>(w);
}

/// Shared memory that block_reduce takes, from the start: a value of up to 24 bytes a warp.
inline constexpr int reduce_bytes = warp_lanes * 24;

/// op over all threads' values, the same for all of them: butterflies of lanes, then of warps, whose number is a power of two.
template <class Grid, class T, class Op> VERBATIM_KERNEL T block_reduce(Grid g, T v, Op op) {
  static_assert(sizeof(T) <= 24);
  for (int m = warp_lanes / 2; m > 0; m /= 2) v = op(v, from_lane(g, v, m));
  int const warps = g.threads() / warp_lanes;
  auto const of_warp = g.template shared<T>(place{0, warps});
  g.sync();   // what the place held has been read
  if (g.thread() % warp_lanes == 0) of_warp.store(g.thread() / warp_lanes, v);
  g.sync();
  v = of_warp.load(g.thread() % warps);
  for (int m = warps / 2; m > 0; m /= 2) v = op(v, from_lane(g, v, m));
  return v;
}

/// e^x for x <= 0, as the host's lanes have it.
VERBATIM_KERNEL float exp_of_logit(float x) {
  x = x > -87.0f ? x : -87.0f;
  float const shifted = math::fma(x, 1.44269504f, 12582912.0f), n = sum(shifted, -12582912.0f);
  float r = math::fma(n, -0.693359375f, x);
  r = math::fma(n, 2.12194440e-4f, r);
  float p = math::fma(r, 1.9875691500e-4f, 1.3981999507e-3f);
  p = math::fma(p, r, 8.3334519073e-3f);
  p = math::fma(p, r, 4.1665795894e-2f);
  p = math::fma(p, r, 1.6666665459e-1f);
  p = math::fma(p, r, 5.0000001201e-1f);
  p = sum(math::fma(p, product(r, r), r), 1.0f);
  return bits_as<float>(bits_as<std::uint32_t>(p) + (bits_as<std::uint32_t>(shifted) << 23));
}

/// Eight ids that are 16 apart: those of one counter of the noise (numerics/noise.hpp), and of one term of a row's sum.
inline constexpr int together = 8, apart = 16;
VERBATIM_HD constexpr int first_id(int counter) { return counter / apart * (together * apart) + counter % apart; }

/// e^(x - peak) of eight ids, summed as the host does, in units of 2^-42.
VERBATIM_KERNEL std::uint64_t units_of_eight(float const (&x)[together], float peak) {
  float e[together];
  VERBATIM_UNROLL for (int n = 0; n < together; ++n) e[n] = exp_of_logit(sum(x[n], -peak));
  return units_of(sum(sum(sum(e[0], e[1]), sum(e[2], e[3])), sum(sum(e[4], e[5]), sum(e[6], e[7]))));
}

}  // namespace verbatim::kernel
