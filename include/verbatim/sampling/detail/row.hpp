// What is read off one row of logits: peak, normaliser, log-probabilities, rank and the most likely ids.
// Sums: exp in f32 in 16 lanes, four blocks added as (a + b) + (c + d), that in doubles per lane, lanes in order at the end;
// so the bits depend on the row and its length alone. The functions are not inlined: there is one copy, so all callers get the same bits.
#pragma once
#include <algorithm>
#include <span>

#include "verbatim/core/token.hpp"
#include "verbatim/sampling/concepts.hpp"
#include "verbatim/sampling/detail/lanes.hpp"
#include "verbatim/sampling/detail/log.hpp"

namespace verbatim::detail {

/// Of the bits of what is read off a row: part of every chain's revision.
inline constexpr int row_revision = 2;

/// The largest value; NaN if the row is empty, holds a NaN, or its largest value is infinite.
[[gnu::noinline]] inline float finite_peak(std::span<float const> row) noexcept {
  float_lanes top[4], v;
  for (auto& t : top) t = float_lanes{} + masked;
  int_lanes bad{};
  std::size_t i = 0;
  for (; i + 4 * lanes <= row.size(); i += 4 * lanes)
    for (int k = 0; k < 4; ++k) {
      load(v, row.data() + i + k * lanes);
      top[k] = v > top[k] ? v : top[k];
      bad |= (int_lanes)(v != v);
    }
  each_block(row.subspan(i), masked, [&](float_lanes const& x, std::size_t) {
    top[0] = x > top[0] ? x : top[0];
    bad |= (int_lanes)(x != x);
  });
  float peak = masked;
  bool is_bad = false;
  for (int j = 0; j < lanes; ++j) {
    for (auto const& t : top) peak = std::max(peak, float(t[j]));
    is_bad |= bad[j] != 0;
  }
  bool const finite = !is_bad && peak > masked && peak < -masked;
  return finite ? peak : std::numeric_limits<float>::quiet_NaN();
}

/// log(sum of exp(x - peak)).
[[gnu::noinline]] inline double log_sum(std::span<float const> row, float peak) noexcept {
  double_half sum[2] = {};
  std::size_t i = 0;
  for (; i + 4 * lanes <= row.size(); i += 4 * lanes) {
    float_lanes e[4];
    for (int k = 0; k < 4; ++k) {
      load(e[k], row.data() + i + k * lanes);
      e[k] -= peak;
      exp_lanes(e[k]);
    }
    float_lanes const four = (e[0] + e[1]) + (e[2] + e[3]);
    add_as_double(sum, four);
  }
  each_block(row.subspan(i), masked, [&](float_lanes const& x, std::size_t) {
    float_lanes v = x - peak;
    exp_lanes(v);
    add_as_double(sum, v);
  });
  return detail::log(total(sum));
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

/// 1 + how many are greater + how many are equal with a lower id.
[[gnu::noinline]] inline int rank_of(std::span<float const> row, token id) noexcept {
  float const x = row[std::size_t(id)];
  int rank = 1;
  auto const before = row.first(std::size_t(id)), after = row.subspan(std::size_t(id) + 1);
  if (x == masked) {   // next_above needs a finite value; padding would count as equal
    for (float v : before) rank += v >= x;
    for (float v : after) rank += v > x;
    return rank;
  }
  each_block(before, masked, [&](float_lanes const& v, std::size_t) { rank += std::popcount(mask_at_least(v, x)); });
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
  return {id, logprob_of(row[std::size_t(id)], peak, log_total), rank_of(row, id)};
}

}  // namespace verbatim::detail
