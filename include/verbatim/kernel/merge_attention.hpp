// What comes behind attention by leaf: the leaves of a row and head, merged in ascending order into its output. The bits are those of
// running_leaves, leaf by leaf: a leaf's scales are exponentials of what is between maxima, and a running maximum is exact in whatever
// order it is found, so all scales of a chunk of leaves are computed side by side, a leaf a thread, and put into shared memory. What is
// left in order are two chains of one product and one fma a leaf, of the sum and of a column, behind loads that depend on nothing.
// Cost: (D + 2) floats a row, head and leaf, from the second-level cache; a thread has `at_once` of them under way. Unmeasured on a GPU.
#pragma once
#include "verbatim/kernel/attention.hpp"

namespace verbatim::kernel {

/// One block per row and head, a thread a column; before that, a thread a leaf of a chunk of D leaves.
template <class T, int D> struct merge_attention : attention_params<T> {
  global<int const> positions;   ///< [rows]
};

template <int D> struct merge_layout {
  static constexpr int warps = D / warp_lanes;
  static constexpr int at_once = 32, part = 8;                 // leaves whose values a thread loads before it adds them up; of which it skips whole parts
  static_assert(D % warp_lanes == 0 && D % at_once == 0 && at_once % part == 0);
  static constexpr place scales{0, 4 * D};                     // float: scale so far, scale of the leaf, sum of the leaf, unused; a leaf of the chunk each
  static constexpr place tops{16 * D, warps};                  // float: of each warp's leaves the maximum
  static constexpr int bytes = 16 * D + 16 * blocks_for(warps, 4);
};

template <class T, int D> constexpr launch_shape shape_of(merge_attention<T, D> const& p) {
  return {.x = p.rows, .y = p.heads, .threads = D, .shared = merge_layout<D>::bytes};
}

/// The scales of a chunk's leaves, a leaf a thread, into shared memory; a leaf that is not `there`, or of which nothing was seen, has a
/// sum of 0. Gives the maximum with this chunk's leaves, where `maximum` was that of those before it. Two barriers: behind the first, nobody reads
/// the scales of the chunk before; behind the second, these may be read.
template <int D, class Grid> VERBATIM_KERNEL float store_scales(Grid g, float maximum, float leaf_maximum, float leaf_sum, bool there) {
  using layout = merge_layout<D>;
  bool const seen = there && leaf_sum > 0;
  // Of the leaves before this one in the warp, and of all of the warp. A NaN is no maximum: running_leaves passes it over, too.
  float before = -__builtin_inff(), top = seen ? math::max(leaf_maximum, -__builtin_inff()) : -__builtin_inff();
  VERBATIM_UNROLL
  for (int m = 1; m < warp_lanes; m *= 2) {
    float const other = g.shfl_xor(top, m);
    if (g.thread() & m) before = math::max(before, other);
    top = math::max(top, other);
  }
  auto const tops = g.template shared<float>(layout::tops);
  if (g.thread() % warp_lanes == 0) tops.store(g.thread() / warp_lanes, top);
  g.sync();
  before = math::max(before, maximum);
  VERBATIM_UNROLL
  for (int w = 0; w < layout::warps; ++w) {
    float const of_warp = tops.load(w);
    if (w < g.thread() / warp_lanes) before = math::max(before, of_warp);
    maximum = math::max(maximum, of_warp);
  }
  leaf_scales const by = scales_of(before, leaf_maximum);
  g.template shared<float>(layout::scales).store_pack(4 * g.thread(), pack<float, 4>{{by.so_far, by.leaf, seen ? leaf_sum : 0.0f, 0.0f}});
  g.sync();
  return maximum;
}

template <class Grid, class T, int D> VERBATIM_KERNEL void run(Grid g, merge_attention<T, D> const& p) {
  using layout = merge_layout<D>;
  int const end = g.load(p.positions, g.block_x()) + 1, begin = p.window > 0 && end > p.window ? end - p.window : 0;
  int const first_leaf = begin / p.leaf, end_leaf = blocks_for(end, p.leaf);
  std::size_t const query = std::size_t(g.block_x()) * std::size_t(p.heads) + std::size_t(g.block_y());
  auto const place_of = [&](int leaf) { return (query * std::size_t(p.max_leaves) + std::size_t(leaf)) * std::size_t(D + 2); };
  auto const scales = g.template shared<float>(layout::scales);
  float maximum = -__builtin_inff(), total = 0, value = 0;
  for (int first = first_leaf; first < end_leaf; first += D) {
    int const mine = first + g.thread();
    bool const there = mine < end_leaf;
    float const top = there ? g.load(p.partial, place_of(mine) + D) : 0.0f, weight = there ? g.load(p.partial, place_of(mine) + D + 1) : 0.0f;
    maximum = store_scales<D>(g, maximum, top, weight, there);
    int const count = end_leaf - first < D ? end_leaf - first : D;
    for (int base = 0; base < count; base += layout::at_once) {
      float of_leaf[layout::at_once];
      VERBATIM_UNROLL
      for (int at = 0; at < layout::at_once; at += layout::part) {
        if (base + at >= count) break;   // the same for all threads, here and below: a row of few leaves is done soon
        VERBATIM_UNROLL
        for (int i = at; i < at + layout::part; ++i)
          of_leaf[i] = base + i < count ? g.load(p.partial, place_of(first + base + i) + std::size_t(g.thread())) : 0.0f;
      }
      VERBATIM_UNROLL
      for (int at = 0; at < layout::at_once; at += layout::part) {
        if (base + at >= count) break;
        VERBATIM_UNROLL
        for (int i = at; i < at + layout::part; ++i) {
          auto const s = scales.template load_pack<4>(4 * (base + i));   // of a leaf that is not there the sum is 0
          leaf_scales const by{s.value[0], s.value[1]};
          bool const seen = s.value[2] > 0;
          float const next_total = merged(total, s.value[2], by), next_value = merged(value, of_leaf[i], by);
          total = seen ? next_total : total, value = seen ? next_value : value;
        }
      }
    }
  }
  store_result<D>(g, p, int(query), g.thread(), from_float<T>(total > 0 ? quotient(value, total) : 0.0f));
}

}  // namespace verbatim::kernel
