// Decoding rows of several sequences that see a leaf through the same pages (shared_prefix.hpp), computed together: n samples of one
// prompt fill the rows of tiles that a single sequence leaves empty, and the leaf is read once per 16 * Warps rows, not once a
// sequence. Results go where those of mma_split_attention go, which skips these leaves, and are the same: a row's bits do not know
// the other rows of its tile (batch_invariant). Floor: bytes of keys and values once a run, or 4 D flops a row and key where that is
// more; unmeasured.
#pragma once
#include "verbatim/kernel/mma_attention.hpp"
#include "verbatim/kernel/shared_prefix.hpp"

namespace verbatim::kernel {

template <int D, int Warps = 4, int Stages = 2> struct mma_shared_attention : attention_params<bf16> {
  global<shared_run const> runs;   ///< those that fill a step up have a count of 0
  global<int const> members;       ///< sequences of the step; of a member, one row
  int max_members;                 ///< of a run: sizes the grid, not the bits
  static constexpr int block_threads = Warps * warp_lanes;
};

template <int D, int Warps, int Stages> constexpr launch_shape shape_of(mma_shared_attention<D, Warps, Stages> const& p) {
  int const tiles = blocks_for(p.max_members * group_of(p), mma_tile::rows * Warps);
  return {.x = p.max_leaves * int(p.runs.size) * tiles, .y = p.kv.kv_heads, .threads = Warps * warp_lanes,
          .shared = ring_layout<D, Stages>::bytes + 16 * blocks_for(2 * Warps, 4)};
}

/// The tile of queries first, first + 1, ... of a run: query i is head i % group of member i / group. Nothing is seen where there is none.
template <class Grid>
VERBATIM_KERNEL tile_rows rows_of_members(Grid g, attention_params<bf16> const& p, global<int const> members, shared_run run, int kv_head, int first) {
  tile_rows t{};
  int const group = group_of(p), count = run.count * group;
  if (first >= count) return t;
  for (int h = 0; h < 2; ++h) {
    int const i = first + g.thread() % warp_lanes / 4 + 8 * h, query = i < count ? i : count - 1, sequence = g.load(members, run.first + query / group);
    int const end = g.load(p.of.first_position, sequence) + 1;
    t.of[h] = {g.load(p.of.first_row, sequence) * p.heads + kv_head * group + query % group, p.window > 0 && end > p.window ? end - p.window : 0, end, i < count};
  }
  auto const lower = [](int a, int b) { return a < b ? a : b; };
  auto const higher = [](int a, int b) { return a > b ? a : b; };
  t.begin = lower(t.of[0].begin, t.of[1].begin), t.all_begin = higher(t.of[0].begin, t.of[1].begin);
  t.end = higher(t.of[0].end, t.of[1].end), t.all_end = lower(t.of[0].end, t.of[1].end);
  for (int m = 4; m < warp_lanes; m *= 2) {
    t.begin = lower(t.begin, g.shfl_xor(t.begin, m)), t.all_begin = higher(t.all_begin, g.shfl_xor(t.all_begin, m));
    t.end = higher(t.end, g.shfl_xor(t.end, m)), t.all_end = lower(t.all_end, g.shfl_xor(t.all_end, m));
  }
  return t;
}

template <class Grid, int D, int Warps, int Stages> VERBATIM_KERNEL void run(Grid g, mma_shared_attention<D, Warps, Stages> const& p) {
  constexpr int queries_of_block = mma_tile::rows * Warps;
  int const tiles = blocks_for(p.max_members * group_of(p), queries_of_block), unit = g.block_x() / p.max_leaves, first = unit % tiles * queries_of_block;
  shared_run const together = g.load(p.runs, unit / tiles);
  int const number = together.first_leaf + g.block_x() % p.max_leaves, kv_head = g.block_y(), base = number * p.leaf;
  if (number >= together.end_leaf || first >= together.count * group_of(p)) return;
  int const warp = g.thread() / warp_lanes;
  tile_rows const rows = rows_of_members(g, p, p.members, together, kv_head, first + warp * mma_tile::rows);

  // What the rows of all warps see of the leaf; nothing else is read.
  auto const bounds = g.template shared<int>({ring_layout<D, Stages>::bytes, 2 * Warps});
  if (g.thread() % warp_lanes == 0) bounds.store(2 * warp, rows.begin), bounds.store(2 * warp + 1, rows.end);
  g.sync();
  int begin = base + p.leaf, end = base;
  for (int w = 0; w < Warps; ++w) {
    int const from = bounds.load(2 * w), to = bounds.load(2 * w + 1);
    if (to > from && from < begin) begin = from;
    if (to > end) end = to;
  }
  begin = begin > base ? begin : base, end = end < base + p.leaf ? end : base + p.leaf;
  if (begin >= end) return;

  int const pages_of = g.load(p.members, together.first) * p.of.pages_each;
  key_ring<Grid, D, Stages, Warps * warp_lanes> ring(g, p.kv, p.of.pages, pages_of, kv_head, begin, end);
  using queries_type = held_queries<Grid, D>;
  queries_type const queries(g, p.q, rows);
  mma_leaf<Grid, D, D, queries_type> leaf(g, rows, queries, 0);
  for (; !ring.ended(); ring.leave()) {
    ring.arrive();
    if (ring.position() < rows.end && ring.position() + mma_tile::keys > rows.begin) leaf.visit(ring.keys(), ring.values(), ring.position());
  }
  leaf.close();
  store_partial(g, p, leaf, rows, number, true);
}

}  // namespace verbatim::kernel
