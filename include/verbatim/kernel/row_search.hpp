// A row of logits as its processed values, and what a block finds out about it: the largest value, thresholds, the sum of exponentials.
// Every thread gets the same answers. Orders: a sum of doubles that rounds has the host's (sampling/detail/row.hpp); counts, and masses
// in units of 2^-35, are integers.
#pragma once
#include "verbatim/kernel/values.hpp"
#include "verbatim/numerics/log.hpp"
#include "verbatim/numerics/ordered.hpp"

namespace verbatim::kernel {

/// Logits over the temperature; those below `cut` are masked.
template <class Grid> struct logit_row {
  Grid g;
  global<float const> logits;
  std::size_t first;
  int size;
  float temperature, cut;
  VERBATIM_KERNEL float at(int i) const {
    float const x = g.load(logits, first + std::size_t(i)), y = temperature == 1 ? x : quotient(x, temperature);
    return y >= cut || y != y ? y : -__builtin_inff();
  }
  /// Masks what lies below min(t, peak), and what was masked; t of -infinity masks nothing.
  VERBATIM_KERNEL void mask_below(float t, float peak) {
    float const to = t < peak ? t : peak;
    if (to > cut) cut = to;
  }
};

/// Shared memory: a value of 8 bytes a warp, twice over, then two buffers of sums.
struct row_search_layout {
  static constexpr int warps = 32, blocks = 128, lanes = 16;   ///< blocks: of 64 ids, summed at a time
  static constexpr place wide{0, warps}, narrow{8 * warps, warps}, sums{12 * warps, 2 * blocks * lanes}, total{12 * warps + 8 * blocks * lanes, 1};
};
inline constexpr int row_search_bytes = row_search_layout::total.offset + 16;

/// op over all threads' values, in the order of a butterfly and then of warps. T has 4 or 8 bytes.
template <class Grid, class T, class Op> VERBATIM_KERNEL T block_reduce(Grid g, T v, Op op) {
  static_assert(sizeof(T) == 4 || sizeof(T) == 8);
  for (int m = warp_lanes / 2; m > 0; m /= 2) v = op(v, g.shfl_xor(v, m));
  auto const of_warp = g.template shared<T>(sizeof(T) == 8 ? row_search_layout::wide : row_search_layout::narrow);
  g.sync();
  if (g.thread() % warp_lanes == 0) of_warp.store(g.thread() / warp_lanes, v);
  g.sync();
  T all = of_warp.load(0);
  for (int w = 1; w < g.threads() / warp_lanes; ++w) all = op(all, of_warp.load(w));
  return all;
}

/// The lowest id whose value `holds`, or the row's size.
template <class Grid, class Holds> VERBATIM_KERNEL int lowest_id(Grid g, logit_row<Grid> const& row, Holds holds) {
  int id = row.size;
  for (int i = g.thread(); i < row.size && id == row.size; i += g.threads())
    if (holds(row.at(i))) id = i;
  return block_reduce(g, id, [](int a, int b) { return b < a ? b : a; });
}

/// The largest value; NaN where one is NaN, or the largest is infinite.
template <class Grid> VERBATIM_KERNEL float finite_peak(Grid g, logit_row<Grid> const& row) {
  float peak = -__builtin_inff();
  int bad = 0;
  for (int i = g.thread(); i < row.size; i += g.threads()) {
    float const x = row.at(i);
    peak = math::max(x, peak);
    bad |= x != x;
  }
  peak = block_reduce(g, peak, [](float a, float b) { return math::max(a, b); });
  bad = block_reduce(g, bad, [](int a, int b) { return a | b; });
  return !bad && peak > -__builtin_inff() && peak < __builtin_inff() ? peak : __builtin_nanf("");
}

/// e^x for x <= 0, as the host's lanes have it (sampling/detail/lanes.hpp).
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

/// The largest float t in (-infinity, peak] with weight{x >= t} >= target, or -infinity where there is none. `weight(x)`: an integer of
/// 64 bits; `reaches(sum)`: whether a sum does. Four parts at a time: sixteen passes at most.
template <class Grid, class Weight, class Reaches> VERBATIM_KERNEL float threshold(Grid g, logit_row<Grid> const& row, float peak, Weight weight, Reaches reaches) {
  std::uint32_t low = key_of(-__builtin_inff()), high = key_of(sum(peak, 0.0f)) + 1;   // a peak of -0 is the +0 that it equals
  while (high - low > 1) {
    std::uint32_t mid[3];
    float at[3];
    std::uint64_t weights[3] = {};
    for (int j = 0; j < 3; ++j) mid[j] = low + std::uint32_t(std::uint64_t(high - low) * std::uint64_t(j + 1) / 4), at[j] = from_key(mid[j]);
    for (int i = g.thread(); i < row.size; i += g.threads()) {
      float const x = row.at(i);
      if (!(x >= at[0])) continue;
      std::uint64_t const w = weight(x);
      for (int j = 0; j < 3; ++j) weights[j] += x >= at[j] ? w : 0;
    }
    std::uint32_t next = low, end = high;
    for (int j = 0; j < 3; ++j) {
      if (mid[j] == low) continue;   // reached already
      std::uint64_t const all = block_reduce(g, weights[j], [](std::uint64_t a, std::uint64_t b) { return a + b; });
      if (reaches(all)) next = mid[j];
      else if (mid[j] < end) end = mid[j];
    }
    low = next, high = end;
  }
  return from_key(low);
}

template <class Grid> VERBATIM_KERNEL float count_threshold(Grid g, logit_row<Grid> const& row, float peak, int k) {
  return threshold(g, row, peak, [](float) { return std::uint64_t(1); }, [k](std::uint64_t n) { return n >= std::uint64_t(k); });
}

/// e^(x - peak) in units of 2^-35, as the host rounds it (sampling/detail/threshold.hpp).
VERBATIM_KERNEL std::uint64_t mass_of(float x, float peak) {
  float v = exp_of_logit(sum(x, -peak));
  if (v < 0x1p-12f) v = sum(sum(v, 0x1.8p-12f), -0x1.8p-12f);
  return std::uint64_t(double(v) * 0x1p35);
}
template <class Grid> VERBATIM_KERNEL float mass_threshold(Grid g, logit_row<Grid> const& row, float peak, float p) {
  std::uint64_t all = 0;
  for (int i = g.thread(); i < row.size; i += g.threads()) all += mass_of(row.at(i), peak);
  all = block_reduce(g, all, [](std::uint64_t a, std::uint64_t b) { return a + b; });
  double const share = double(p) * (double(all) * 0x1p-35), target = share > 0x1p-35 ? share : 0x1p-35;
  return threshold(g, row, peak, [peak](float x) { return mass_of(x, peak); }, [target](std::uint64_t units) { return double(units) * 0x1p-35 >= target; });
}

/// log(sum of e^(x - peak)): sixteen lanes; four blocks of sixteen as (a + b) + (c + d), that in doubles per lane in ascending order, the
/// lanes in order at the end. All threads make the sums of four; sixteen threads add up those of the buffer before.
template <class Grid> VERBATIM_KERNEL double log_sum(Grid g, logit_row<Grid> const& row, float peak) {
  using layout = row_search_layout;
  auto const sums = g.template shared<float>(layout::sums);
  int const blocks = row.size / 64, rounds = blocks_for(blocks, layout::blocks);
  auto const term = [&](int i) { return exp_of_logit(sum(i < row.size ? row.at(i) : -__builtin_inff(), -peak)); };
  double lane_sum = 0;
  g.sync();   // what the place held has been read
  for (int round = 0; round <= rounds; ++round) {
    int const buffer = round % 2 * layout::blocks * layout::lanes;
    for (int i = g.thread(); round < rounds && i < layout::blocks * layout::lanes; i += g.threads()) {
      int const block = round * layout::blocks + i / layout::lanes, at = 64 * block + i % layout::lanes;
      sums.store(buffer + i, block < blocks ? sum(sum(term(at), term(at + 16)), sum(term(at + 32), term(at + 48))) : 0.0f);
    }
    if (round > 0 && g.thread() < layout::lanes) {
      int const before = (round + 1) % 2 * layout::blocks * layout::lanes, end = blocks - (round - 1) * layout::blocks;
      for (int b = 0; b < layout::blocks && b < end; ++b) lane_sum += double(sums.load(before + b * layout::lanes + g.thread()));
    }
    g.sync();
  }
  if (g.thread() < layout::lanes)
    for (int at = 64 * blocks; at < row.size; at += layout::lanes) lane_sum += double(term(at + g.thread()));
  auto const lanes = g.template shared<double>(layout::wide), total = g.template shared<double>(layout::total);
  g.sync();
  if (g.thread() < layout::lanes) lanes.store(g.thread(), lane_sum);
  g.sync();
  if (g.thread() == 0) {
    double t = 0;
    for (int j = 0; j < layout::lanes; ++j) t += lanes.load(j);
    total.store(0, math::log(t));
  }
  g.sync();
  return total.load(0);
}

}  // namespace verbatim::kernel
