// What is read off one row of logits: peak, normaliser, log-probabilities, rank and the most likely ids.
// Sums: exp in f32; of 128 ids those that are 16 apart are added as a fixed tree of eight, and what comes of it as integers
// (numerics/units.hpp), which have no order: the bits depend on the row alone, however it is cut. The functions are not inlined: there
// is one copy, so all callers get the same bits.
#pragma once
#include <algorithm>
#include <span>

#include "verbatim/core/token.hpp"
#include "verbatim/sampling/concepts.hpp"
#include "verbatim/sampling/detail/lanes.hpp"
#include "verbatim/sampling/detail/log.hpp"

namespace verbatim::detail {

/// Of the bits of what is read off a row: part of every chain's revision.
inline constexpr int row_revision = 3;

/// The largest value; NaN if the row is empty, holds a NaN, or its largest value is infinite.
[[gnu::noinline]] inline float finite_peak(std::span<float const> row) noexcept {
  float_lanes top[4], v;
  for (auto& t : top) t = float_lanes{} + masked;
  int_register bad{};
  auto const meet = [&](float_lanes& t, float_lanes const& with) __attribute__((always_inline)) {
    each_register([&](float_register& most, float_register x) __attribute__((always_inline)) {
      most = x > most ? x : most;
      bad |= (int_register)(x != x);
    }, t, with);
  };
  std::size_t i = 0;
  for (; i + 4 * lanes <= row.size(); i += 4 * lanes)
    for (int k = 0; k < 4; ++k) load(v, row.data() + i + k * lanes), meet(top[k], v);
  each_block(row.subspan(i), masked, [&](float_lanes const& x, std::size_t) { meet(top[0], x); });
  float peak = masked;
  bool is_bad = false;
  for (int j = 0; j < lanes; ++j)
    for (auto const& t : top) peak = std::max(peak, float(t[j]));
  for (int j = 0; j < register_lanes; ++j) is_bad |= bad[j] != 0;
  bool const finite = !is_bad && peak > masked && peak < -masked;
  return finite ? peak : std::numeric_limits<float>::quiet_NaN();
}

/// log(sum of exp(x - peak)). What the last 128 ids lack counts as masked.
[[gnu::noinline]] inline double log_sum(std::span<float const> row, float peak) noexcept {
  constexpr std::size_t eight = 8 * lanes;
  units_half sum[2] = {};
  float padded[eight];
  for (std::size_t at = 0; at < row.size(); at += eight) {
    float const* p = row.data() + at;
    if (row.size() - at < eight) {
      std::fill(std::copy(p, row.data() + row.size(), padded), std::end(padded), masked);
      p = padded;
    }
    float_lanes e[8];
    for (int k = 0; k < 8; ++k) exp_lanes(e[k], p + k * lanes, peak);
    float_lanes const all = ((e[0] + e[1]) + (e[2] + e[3])) + ((e[4] + e[5]) + (e[6] + e[7]));
    add_as_units(sum, all);
  }
  std::uint64_t units = 0;
  for (auto const& half : sum)
    for (int j = 0; j < 8; ++j) units += half[j];
  return detail::log(value_of_units(units - lanes * ((row.size() + eight - 1) / eight) * unit_origin));
}

/// The lowest id whose value is at least t, or -1.
[[gnu::noinline]] inline token first_at_least(std::span<float const> row, float t) noexcept {
  float_lanes v;
  std::size_t i = 0;
  for (; i + lanes <= row.size(); i += lanes) {
    load(v, row.data() + i);
    if (std::uint32_t const m = mask_at_least(v, t)) return token(i + std::size_t(std::countr_zero(m)));
  }
  for (; i < row.size(); ++i)
    if (row[i] >= t) return token(i);
  return -1;
}

/// 1 + how many are greater + how many are equal with a lower id. Nothing is greater than the peak.
[[gnu::noinline]] inline int rank_of(std::span<float const> row, float peak, token id) noexcept {
  float const x = row[std::size_t(id)];
  int rank = 1;
  auto const before = row.first(std::size_t(id)), after = row.subspan(std::size_t(id) + 1);
  if (x == masked) {   // next_above needs a finite value; padding would count as equal
    for (float v : before) rank += v >= x;
    for (float v : after) rank += v > x;
    return rank;
  }
  each_block(before, masked, [&](float_lanes const& v, std::size_t) { rank += std::popcount(mask_at_least(v, x)); });
  if (x == peak) return rank;
  float const above = next_above(x);
  each_block(after, masked, [&](float_lanes const& v, std::size_t) { rank += std::popcount(mask_at_least(v, above)); });
  return rank;
}

/// Fills `top` with the largest values, descending, ties by ascending id; missing ones are {masked, -1}.
[[gnu::noinline]] inline void largest(std::span<float const> row, std::span<score> top) noexcept {
  if (top.empty()) return;
  std::size_t have = 0;
  auto const offer = [&](score s) {
    std::size_t at = have < top.size() ? have++ : top.size() - 1;
    for (; at > 0 && top[at - 1].value < s.value; --at) top[at] = top[at - 1];   // equals stay before: ids ascend
    top[at] = s;
  };
  std::size_t const head = std::min(top.size(), row.size());
  for (std::size_t i = 0; i < head; ++i) offer({row[i], token(i)});
  std::fill(top.begin() + std::ptrdiff_t(have), top.end(), score{masked, -1});
  each_block(row.subspan(head), masked, [&](float_lanes const& v, std::size_t first) {
    for (std::uint32_t m = mask_at_least(v, top.back().value); m; m &= m - 1) {
      std::size_t const i = head + first + std::size_t(std::countr_zero(m));
      if (i < row.size() && row[i] > top.back().value) offer({row[i], token(i)});
    }
  });
}

/// The log-probability of value x, finite.
inline float logprob_of(float x, float peak, double log_total) noexcept {
  return std::max(logprob_floor, float(double(x) - double(peak) - log_total));
}

inline sampled failed(std::span<score> top) noexcept {
  std::fill(top.begin(), top.end(), score{logprob_floor, -1});
  return {-1, logprob_floor, 0};
}

/// Log-probability, rank and the most likely ids, for `id` of a processed row with this peak.
inline sampled report(std::span<float const> row, float peak, token id, std::span<score> top) noexcept {
  if (id < 0 || std::size_t(id) >= row.size() || !(peak == peak)) return failed(top);
  double const log_total = log_sum(row, peak);
  largest(row, top);
  for (score& s : top) s.value = logprob_of(s.value, peak, log_total);
  return {id, logprob_of(row[std::size_t(id)], peak, log_total), rank_of(row, peak, id)};
}

}  // namespace verbatim::detail
