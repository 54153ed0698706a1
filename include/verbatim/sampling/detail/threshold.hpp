// The largest threshold whose upper set {x >= t} reaches a count or a mass, exactly and without sorting: bisection over the
// ordered bits of floats. Passes over the row until a quarter of it is left in question, then over those alone, and so on.
// Weights are multiples of 2^-35 (at most 1, up to 2^18 of them), so doubles sum them without rounding, in any order.
// Cost: about three passes. Memory: two floats per id in thread-local scratch, allocated at first use (warm_scratch).
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include "verbatim/sampling/concepts.hpp"
#include "verbatim/sampling/detail/lanes.hpp"

namespace verbatim::detail {

/// Grows this thread's scratch to what a row of `ids` needs and returns it.
inline float* warm_scratch(std::size_t ids) {
  thread_local std::vector<float> scratch;
  std::size_t const size = ids + 2 * (ids / 4) + 8 * lanes;
  if (scratch.size() < size) scratch.resize(size);
  return scratch.data();
}

/// Values and their weights; `weight` null: each weighs 1.
struct weighted {
  std::span<float const> row;
  float const* weight;
};
/// The weight of {x >= t} and how many these are.
struct upper {
  double weight;
  std::size_t count;
};
[[gnu::noinline]] inline upper upper_set(weighted w, float t) noexcept {
  std::size_t count = 0;
  double_half sum[2] = {};
  if (!w.weight) {
    each_block(w.row, masked, [&](float_lanes const& v, std::size_t) { count += std::size_t(std::popcount(mask_at_least(v, t))); });
    return {double(count), count};
  }
  each_block(w.row, masked, [&](float_lanes const& v, std::size_t i) {
    float_lanes m;
    load_at(m, w.weight, i, w.row.size());
    count += std::size_t(std::popcount(mask_at_least(v, t)));
    each_register([&](float_register& weight, float_register x) __attribute__((always_inline)) { weight = x >= t ? weight : float_register{}; }, m, v);
    add_as_double(sum, m);
  });
  return {total(sum), count};
}

/// Moves what lies in [low, high) to `values` and `weights` (which may be the source itself). Both have 16 floats to spare.
[[gnu::noinline]] inline weighted collect(weighted w, float low, float high, float* values, float* weights) noexcept {
  std::size_t n = 0;
  each_block(w.row, masked, [&](float_lanes const& v, std::size_t i) {
    std::uint32_t const mask = mask_at_least(v, low) & ~mask_at_least(v, high);
    if (!mask) return;
    if (w.weight) {
      float_lanes m;
      load_at(m, w.weight, i, w.row.size());
      store_selected(weights + n, m, mask);
    }
    n += store_selected(values + n, v, mask);
  });
  return {{values, n}, w.weight ? weights : nullptr};
}

/// The largest float t in (masked, peak] with weight{x >= t} >= target > 0, or `masked` where there is none.
[[gnu::noinline]] inline float bisect(weighted w, float peak, double target, float* scratch) {
  float* const values = scratch;
  float* const weights = scratch + w.row.size() / 4 + 2 * lanes;
  // Invariant: weight{x >= low} reaches the target (or low is masked), weight{x >= high} does not.
  std::uint32_t low = key_of(masked), high = key_of(peak + 0.0f) + 1;   // a peak of -0 is the +0 that it equals
  upper at_low{0, w.row.size()}, at_high{0, 0};
  double above = 0;   // the weight of what lies above w, which is no longer looked at
  for (float step = 4; high - low > 1;) {
    std::uint32_t mid = low + (high - low) / 2;
    if (low == key_of(masked) && step < 1e30f) mid = std::clamp(key_of(peak - step), low + 1, high - 1), step *= 2;
    else if (at_low.count - at_high.count > 64) mid = std::clamp(key_of(from_key(low) / 2 + from_key(high) / 2), low + 1, high - 1);
    upper const u = upper_set(w, from_key(mid));
    if (above + u.weight >= target) low = mid, at_low = u;
    else high = mid, at_high = u;
    if (low == key_of(masked) || w.row.size() <= lanes || at_low.count - at_high.count > w.row.size() / 4) continue;
    above += at_high.weight;
    w = collect(w, from_key(low), from_key(high), values, weights);
    at_low.count = w.row.size(), at_high = {0, 0};
  }
  return from_key(low);
}

inline float count_threshold(std::span<float const> row, float peak, int k) {
  return bisect({row, nullptr}, peak, k, warm_scratch(row.size()));
}

/// exp(x - peak) in multiples of 2^-35: adding and subtracting 1.5 * 2^-12 rounds small ones, larger ones are multiples.
[[gnu::noinline]] inline double masses(std::span<float const> row, float peak, float* out) noexcept {
  double_half sum[2] = {};
  each_block(row, masked, [&](float_lanes const& x, std::size_t i) {
    float_lanes v;
    exp_lanes(v, reinterpret_cast<float const*>(&x), peak);
    each_register([](float_register& mass) __attribute__((always_inline)) {
      float_register const rounded = (mass + 0x1.8p-12f) - 0x1.8p-12f;
      mass = mass < 0x1p-12f ? rounded : mass;
    }, v);
    std::memcpy(out + i, &v, sizeof v);
    add_as_double(sum, v);
  });
  return total(sum);
}

inline float mass_threshold(std::span<float const> row, float peak, float p) {
  float* const mass = warm_scratch(row.size());
  double const all = masses(row, peak, mass);
  return bisect({row, mass}, peak, std::max(double(p) * all, 0x1p-35), mass + row.size() + 2 * lanes);
}

}  // namespace verbatim::detail
