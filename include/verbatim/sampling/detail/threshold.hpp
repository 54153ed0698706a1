// The largest threshold whose upper set {x >= t} reaches a count or a mass, exactly and without sorting: bisection over the
// ordered bits of floats, full passes until few candidates are left, then over those alone. Weights sum without rounding
// (multiples of 2^-35 in doubles), so any order gives the same bits.
// Cost: up to about ten passes. Memory: 48 KiB of stack; mass_threshold keeps one float per id in thread-local scratch,
// which is allocated at its first use on a thread (warm_scratch).
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include "verbatim/sampling/concepts.hpp"
#include "verbatim/sampling/detail/lanes.hpp"

namespace verbatim::detail {

inline constexpr std::size_t few = 4096;

/// Grows this thread's scratch to `size` floats and returns it.
inline float* warm_scratch(std::size_t size) {
  thread_local std::vector<float> scratch;
  if (scratch.size() < size) scratch.resize((size + lanes - 1) / lanes * lanes);
  return scratch.data();
}

/// The weight of {x >= t} and how many these are. `weight` null: every id weighs 1.
struct upper { double weight; int count; };
[[gnu::noinline]] inline upper upper_set(std::span<float const> row, float const* weight, float t) noexcept {
  int count = 0;
  double_half sum[2] = {};
  if (!weight) {
    each_block(row, masked, [&](float_lanes const& v, std::size_t) { count += std::popcount(mask_at_least(v, t)); });
    return {double(count), count};
  }
  each_block(row, masked, [&](float_lanes const& v, std::size_t i) {
    float_lanes w;
    if (i + lanes <= row.size()) load(w, weight + i);
    else load_padded(w, weight + i, row.size() - i, 0);
    count += std::popcount(mask_at_least(v, t));
    w = v >= t ? w : float_lanes{};
    add_as_double(sum, w);
  });
  return {total(sum), count};
}

/// Values and weights of the ids in [low, high), at most `few` of them; returns how many.
inline std::size_t collect(std::span<float const> row, float const* weight, float low, float high, float* values, float* weights) {
  std::size_t n = 0;
  each_block(row, masked, [&](float_lanes const& v, std::size_t i) {
    for (std::uint32_t m = mask_at_least(v, low) & ~mask_at_least(v, high); m; m &= m - 1) {
      std::size_t const at = i + std::size_t(std::countr_zero(m));
      if (n < few) values[n] = row[at], weights[n] = weight ? weight[at] : 1.0f, ++n;
    }
  });
  return n;
}

/// The largest float t in (masked, peak] with weight{x >= t} >= target, or `masked` where there is none.
[[gnu::noinline]] inline float bisect(std::span<float const> row, float const* weight, float peak, double target) {
  if (upper_set(row, weight, peak).weight >= target) return peak;
  // Invariant: weight{x >= low} reaches the target (or low is masked), weight{x >= high} does not.
  std::uint32_t low = key_of(masked), high = key_of(peak);
  upper above{0, upper_set(row, weight, peak).count}, below{0, int(row.size())};
  above.weight = upper_set(row, weight, peak).weight;
  for (float step = 1; std::size_t(below.count - above.count) > few && high - low > 1;) {
    // First walk down from the peak in doubling steps, then halve: most of the float range is never visited.
    std::uint32_t mid = low + (high - low) / 2;
    if (low == key_of(masked) && step < 1e30f) mid = std::clamp(key_of(peak - step), low + 1, high - 1), step *= 2;
    else if (low > key_of(masked)) mid = std::clamp(key_of(from_key(low) / 2 + from_key(high) / 2), low + 1, high - 1);
    upper const u = upper_set(row, weight, from_key(mid));
    if (u.weight >= target) low = mid, below = u;
    else high = mid, above = u;
  }
  if (high - low <= 1) return from_key(low);
  float values[few], weights[few];
  std::size_t const n = collect(row, weight, from_key(low), from_key(high), values, weights);
  while (high - low > 1) {
    std::uint32_t const mid = low + (high - low) / 2;
    if (above.weight + upper_set({values, n}, weights, from_key(mid)).weight >= target) low = mid;
    else high = mid;
  }
  return from_key(low);
}

inline float count_threshold(std::span<float const> row, float peak, int k) { return bisect(row, nullptr, peak, k); }

/// exp(x - peak) in multiples of 2^-35: adding and subtracting 1.5 * 2^-12 rounds small ones, larger ones are multiples.
[[gnu::noinline]] inline double masses(std::span<float const> row, float peak, float* out) noexcept {
  double_half sum[2] = {};
  each_block(row, masked, [&](float_lanes const& x, std::size_t i) {
    float_lanes v = x - peak;
    exp_lanes(v);
    float_lanes const rounded = (v + 0x1.8p-12f) - 0x1.8p-12f;
    v = v < 0x1p-12f ? rounded : v;
    std::memcpy(out + i, &v, sizeof v);
    add_as_double(sum, v);
  });
  return total(sum);
}

inline float mass_threshold(std::span<float const> row, float peak, float p) {
  float* const scratch = warm_scratch(row.size() + lanes);
  double const all = masses(row, peak, scratch);
  return bisect(row, scratch, peak, double(p) * all);
}

}  // namespace verbatim::detail
