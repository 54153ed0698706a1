// The largest threshold whose upper set {x >= t} reaches a count or a mass, found by one block. Eight pivots a pass over the row narrow
// the range, until what lies in it has room in shared memory; what is above counts as a number from then on. Counts, and masses in units
// of 2^-35, are integers: which pivots were looked at, and who held what, does not show.
// Cost: a row that is no stranger takes two or three passes, from the second-level cache, and about ten rounds over the few left.
#pragma once
#include "verbatim/kernel/logit_row.hpp"

namespace verbatim::kernel {

struct row_search {
  static constexpr int threads = 512, warps = threads / warp_lanes, pivots = 8;
  static constexpr place sums{reduce_bytes, pivots * warps}, totals{reduce_bytes + 8 * pivots * warps, pivots};
  static constexpr int most_room = 80;   ///< values that a thread keeps: 160 KiB of them
  VERBATIM_HD static constexpr place kept(int room) { return {reduce_bytes + 8 * pivots * (warps + 1), room * threads}; }
  static constexpr int bytes(int room) { return kept(room).offset + 4 * kept(room).count; }
};

/// f of all values that a thread has, eight loads at a time; beyond the end of the row it is f of -infinity.
template <class Grid, class F> VERBATIM_KERNEL void each_value(Grid g, logit_row<Grid> const& row, F&& f) {
  constexpr int batch = 8;
  for (int i = g.thread(); i < row.size; i += batch * row_search::threads) {
    float x[batch];
    VERBATIM_UNROLL for (int k = 0; k < batch; ++k) {
      int const at = i + k * row_search::threads;
      x[k] = at < row.size ? row.raw(at) : -__builtin_inff();
    }
    VERBATIM_UNROLL for (int k = 0; k < batch; ++k) f(row.processed(x[k]));
  }
}

/// The largest value; NaN where one is NaN, or the largest is infinite.
template <class Grid> VERBATIM_KERNEL float finite_peak(Grid g, logit_row<Grid> const& row) {
  float peak = -__builtin_inff();
  each_value(g, row, [&](float x) { peak = x != x ? __builtin_inff() : math::max(x, peak); });
  peak = block_reduce(g, peak, [](float a, float b) { return math::max(a, b); });
  return is_finite(peak) ? peak : __builtin_nanf("");
}

/// Eight sums over the block, for all threads. Halves of what a lane holds change hands until it has one sum of four lanes.
template <class Grid> VERBATIM_KERNEL void block_sums(Grid g, std::uint64_t (&v)[row_search::pivots]) {
  constexpr int warps = row_search::warps;
  static_assert(row_search::pivots == 8 && warps >= 8 && warps <= warp_lanes);
  int const lane = g.thread() % warp_lanes, warp = g.thread() / warp_lanes;
  VERBATIM_UNROLL for (int half = 4, mask = 16; half > 0; half /= 2, mask /= 2) {
    bool const upper = (lane & mask) != 0;
    VERBATIM_UNROLL for (int j = 0; j < half; ++j) {
      std::uint64_t const gives = upper ? v[j] : v[j + half], keeps = upper ? v[j + half] : v[j];
      v[j] = keeps + from_lane(g, gives, mask);
    }
  }
  std::uint64_t one = v[0];   // of pivot lane / 4
  for (int m = 2; m > 0; m /= 2) one += from_lane(g, one, m);
  auto const sums = g.template shared<std::uint64_t>(row_search::sums), totals = g.template shared<std::uint64_t>(row_search::totals);
  if (lane % 4 == 0) sums.store(lane / 4 * warps + warp, one);
  g.sync();   // totals have been read, too
  if (warp < row_search::pivots) {
    std::uint64_t total = sums.load(warp * warps + lane % warps);
    for (int m = warps / 2; m > 0; m /= 2) total += from_lane(g, total, m);
    if (lane == 0) totals.store(warp, total);
  }
  g.sync();
  VERBATIM_UNROLL for (int j = 0; j < row_search::pivots; ++j) v[j] = totals.load(j);
}

/// Pivot j of a round, between low and high: steps below the peak while nothing is known, then evenly by value, then evenly among floats.
VERBATIM_KERNEL std::uint32_t pivot(std::uint32_t low, std::uint32_t high, float peak, int round, int j) {
  if (j == 0) return low;
  float const bottom = from_key(low), top = from_key(high);
  if (round > 3) return low + std::uint32_t(std::uint64_t(high - low) * std::uint64_t(j) / row_search::pivots);
  bool const open = bottom == -__builtin_inff();
  float const step = open ? math::power_of_two(float(7 * round + 6 - j)) : product(sum(top, -bottom), float(j) / row_search::pivots);
  float const at = open ? sum(peak, -step) : sum(bottom, step);
  std::uint32_t const key = key_of(sum(at, 0.0f));
  return key < low ? low : key < high ? key : high - 1;
}

/// The largest float t in (-infinity, peak] with weight{x >= t} >= target, or -infinity where there is none. `weight(x)`: an integer of
/// 64 bits; `reaches(sum, all)`: whether a sum does, given the whole row's. `room`: values that a thread has room for.
template <class Grid, class Weight, class Reaches>
VERBATIM_KERNEL float threshold(Grid g, logit_row<Grid> const& row, float peak, int room, Weight weight, Reaches reaches) {
  auto const kept = g.template shared<float>(row_search::kept(room));
  std::uint32_t low = key_of(-__builtin_inff()), high = key_of(sum(peak, 0.0f)) + 1;   // a peak of -0 is the +0 that it equals
  std::uint64_t all = 0, over = 0, left_out = 0;   // over: the weight of {x >= high}; left_out: of what is not looked at any more
  int own_over = 0, own = -1;                      // of this thread: how many are over, and how many it keeps, if it does
  for (int round = 0; high - low > 1; ++round) {
    std::uint32_t key[row_search::pivots];
    float at[row_search::pivots];
    std::uint64_t sums[row_search::pivots] = {};
    int counts[row_search::pivots] = {};
    VERBATIM_UNROLL for (int j = 0; j < row_search::pivots; ++j) key[j] = pivot(low, high, peak, round, j), at[j] = from_key(key[j]);
    auto const add = [&](float x) {
      if (!(x >= at[0])) return;
      std::uint64_t const w = weight(x);
      VERBATIM_UNROLL for (int j = 0; j < row_search::pivots; ++j)
        if (x >= at[j]) sums[j] += w, ++counts[j];
    };
    if (own < 0) each_value(g, row, add);
    else for (int i = 0; i < own; ++i) add(kept.load(i * row_search::threads + g.thread()));
    block_sums(g, sums);
    if (round == 0) all = sums[0];
    std::uint32_t next = low, end = high;   // what is at least low always reaches; at first it is the whole row
    int own_next = counts[0];
    VERBATIM_UNROLL for (int j = 1; j < row_search::pivots; ++j) {
      if (reaches(left_out + sums[j], all)) next = key[j], own_next = counts[j];
      else if (key[j] < end) end = key[j], over = left_out + sums[j], own_over = counts[j];
    }
    low = next, high = end;
    if (own >= 0 || high - low < 2) continue;
    int const mine = own_next - own_over;
    if (block_reduce(g, mine, [](int a, int b) { return a > b ? a : b; }) > room) continue;
    own = 0, left_out = over;
    float const bottom = from_key(low), top = from_key(high);
    each_value(g, row, [&](float x) {
      if (x >= bottom && !(x >= top)) kept.store(own++ * row_search::threads + g.thread(), x);
    });
  }
  return from_key(low);
}

template <class Grid> VERBATIM_KERNEL float count_threshold(Grid g, logit_row<Grid> const& row, float peak, int room, int k) {
  return threshold(g, row, peak, room, [](float) { return std::uint64_t(1); }, [k](std::uint64_t n, std::uint64_t) { return n >= std::uint64_t(k); });
}

/// e^(x - peak) in units of 2^-35, as the host rounds it (sampling/detail/threshold.hpp).
VERBATIM_KERNEL std::uint64_t mass_of(float x, float peak) {
  float v = exp_of_logit(sum(x, -peak));
  if (v < 0x1p-12f) v = sum(sum(v, 0x1.8p-12f), -0x1.8p-12f);
  return std::uint64_t(double(v) * 0x1p35);
}
template <class Grid> VERBATIM_KERNEL float mass_threshold(Grid g, logit_row<Grid> const& row, float peak, int room, float p) {
  return threshold(g, row, peak, room, [peak](float x) { return mass_of(x, peak); }, [p](std::uint64_t units, std::uint64_t all) {
    double const share = double(p) * (double(all) * 0x1p-35), target = share > 0x1p-35 ? share : 0x1p-35;
    return double(units) * 0x1p-35 >= target;
  });
}

}  // namespace verbatim::kernel
