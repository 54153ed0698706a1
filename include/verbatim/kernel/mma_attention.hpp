// Attention over paged keys and values in bf16 on tensor cores: mma_attention_leaf.hpp, three times. Decode: `mma_split_attention`, a
// block per leaf, sequence and kv head, then `merge_attention`; a group's heads fill the 16 rows of a tile. Prefill:
// `mma_row_attention`, 16 query rows a warp, a block visits the leaves and merges them. Prefixes that sequences share:
// mma_attention_shared.hpp. A row has the same bits in each (batch_invariant). Pages: multiples of 16 positions; leaves: of 64.
// Floors. Decode: bytes, each key and value once a kv head and 16 query rows, and (D + 2) floats a query and leaf. Prefill:
// arithmetic, 4 D flops a pair of query row and key seen, of which tiles on the diagonal or at the window's begin do up to twice that;
// keys and values come from L2 once per 16 * Warps rows. Beside mma a score costs about 20 instructions. All unmeasured: no GPU yet.
#pragma once
#include "verbatim/kernel/attention.hpp"
#include "verbatim/kernel/mma_attention_ring.hpp"

namespace verbatim::kernel {

// --- one block per leaf ------------------------------------------------------------------------------------------------
/// Every warp has all scores, and D / Warps columns of values: no sum crosses a warp, and little waits.
template <int D, int Warps = 4, int Stages = 3> struct mma_split_attention : attention_params<bf16> {
  global<int const> shared;   ///< leaves of each sequence, from its first, whose results come from elsewhere; or empty
  static constexpr int block_threads = Warps * warp_lanes;
};

template <int D, int Warps, int Stages> constexpr launch_shape shape_of(mma_split_attention<D, Warps, Stages> const& p) {
  return {.x = p.max_leaves, .y = p.of.count, .z = query_tiles(p, mma_tile::rows), .threads = Warps * warp_lanes, .shared = ring_layout<D, Stages>::bytes};
}

/// What a leaf gave a tile's rows, to [rows, heads, max_leaves, D + 2].
template <class Grid, class Leaf>
VERBATIM_KERNEL void store_partial(Grid g, attention_params<bf16> const& p, Leaf const& leaf, tile_rows const& rows, int number, bool with_stats) {
  std::size_t const d = std::size_t(p.kv.head_dim);
  VERBATIM_UNROLL
  for (int h = 0; h < 2; ++h) {
    if (!rows.of[h].stored) continue;
    std::size_t const to = (std::size_t(rows.of[h].query) * std::size_t(p.max_leaves) + std::size_t(number)) * (d + 2);
    VERBATIM_UNROLL
    for (int n = 0; n < Leaf::column_blocks; ++n)
      g.store_pack(p.partial, to + std::size_t(leaf.column_of(n)), pack<float, 2>{{leaf.value_of(n, 2 * h), leaf.value_of(n, 2 * h + 1)}});
    if (with_stats && g.thread() % 4 == 0) g.store_pack(p.partial, to + d, pack<float, 2>{{leaf.maximum_of(h), leaf.sum_of(h)}});
  }
}

template <class Grid, int D, int Warps, int Stages> VERBATIM_KERNEL void run(Grid g, mma_split_attention<D, Warps, Stages> const& p) {
  query_block const b = block_of_queries<Grid, bf16>(g, p, g.block_y(), g.block_z(), mma_tile::rows);
  int const base = g.block_x() * p.leaf;
  if (b.count <= 0 || base >= b.end_of(b.count - 1) || base + p.leaf <= b.begin_of(0)) return;
  if (p.shared.size > 0 && g.block_x() < g.load(p.shared, b.sequence)) return;
  tile_rows const rows = rows_of(b, p.heads, 0, g.thread() % warp_lanes);
  int const begin = rows.begin > base ? rows.begin : base, end = rows.end < base + p.leaf ? rows.end : base + p.leaf;
  key_ring<Grid, D, Stages, Warps * warp_lanes> ring(g, p.kv, p.of.pages, b.sequence * p.of.pages_each, b.kv_head, begin, end);
  using queries_type = held_queries<Grid, D>;
  queries_type const queries(g, p.q, rows);
  int const warp = g.thread() / warp_lanes;
  mma_leaf<Grid, D, D / Warps, queries_type> leaf(g, rows, queries, warp * (D / Warps));
  for (; !ring.ended(); ring.leave()) {
    ring.arrive();
    leaf.visit(ring.keys(), ring.values(), ring.position());
  }
  leaf.close();
  store_partial(g, p, leaf, rows, g.block_x(), warp == 0);
}

// --- one block for all leaves ------------------------------------------------------------------------------------------
template <int D, int Warps = 4, int Stages = 2> struct mma_row_attention : attention_params<bf16> {
  static constexpr int block_threads = Warps * warp_lanes;
};

template <int D, int Warps, int Stages> constexpr launch_shape shape_of(mma_row_attention<D, Warps, Stages> const& p) {
  return {.x = p.of.count * query_tiles(p, mma_tile::rows * Warps), .threads = Warps * warp_lanes,   // as row_attention
          .shared = ring_layout<D, Stages>::bytes + Warps * mma_tile::rows * mma_tile::pitch(D) * int(sizeof(bf16))};
}

/// running_leaves for what a lane has of two rows.
template <class Leaf> struct running_tile {
  float maximum[2] = {-__builtin_inff(), -__builtin_inff()}, total[2] = {};
  float value[Leaf::column_blocks][4] = {};
  VERBATIM_KERNEL void merge(Leaf const& leaf) {
    VERBATIM_UNROLL
    for (int h = 0; h < 2; ++h) {
      if (!(leaf.sum_of(h) > 0)) continue;
      leaf_scales const by = merge_leaf(maximum[h], total[h], leaf.maximum_of(h), leaf.sum_of(h));
      VERBATIM_UNROLL
      for (int n = 0; n < Leaf::column_blocks; ++n)
        VERBATIM_UNROLL
        for (int e = 2 * h; e < 2 * h + 2; ++e) value[n][e] = math::fma(leaf.value_of(n, e), by.leaf, product(value[n][e], by.so_far));
    }
  }
};

template <class Grid, int D, int Warps, int Stages> VERBATIM_KERNEL void run(Grid g, mma_row_attention<D, Warps, Stages> const& p) {
  constexpr int queries_of_block = mma_tile::rows * Warps;
  int const tiles = blocks_for(p.max_rows * group_of(p), queries_of_block), number = g.block_x() / p.of.count, tile = number % tiles;
  // The last rows see most: they come first.
  query_block const b = block_of_queries<Grid, bf16>(g, p, g.block_x() % p.of.count, number - tile + tiles - 1 - tile, queries_of_block);
  if (b.count <= 0) return;
  tile_rows const rows = rows_of(b, p.heads, g.thread() / warp_lanes * mma_tile::rows, g.thread() % warp_lanes);
  constexpr int pitch = mma_tile::pitch(D), n = pack_size<bf16>, elements = mma_tile::rows * pitch;
  place const staged{ring_layout<D, Stages>::bytes, Warps * elements};
  for (int i = g.thread(); i < queries_of_block * (D / n); i += g.threads()) {   // they come with the first tile
    int const query = i / (D / n), d = i % (D / n) * n;
    g.template copy_async<n>(g.template shared<bf16>(staged), query * pitch + d, p.q, b.column(query < b.count ? query : b.count - 1, p.heads, D) + std::size_t(d));
  }
  int const begin = b.begin_of(0), end = b.end_of(b.count - 1);
  key_ring<Grid, D, Stages, Warps * warp_lanes> ring(g, p.kv, p.of.pages, b.sequence * p.of.pages_each, b.kv_head, begin, end);
  staged_queries<Grid> const queries{g, {staged.offset + g.thread() / warp_lanes * elements * int(sizeof(bf16)), elements}, pitch};
  using leaf_type = mma_leaf<Grid, D, D, staged_queries<Grid>>;
  leaf_type leaf(g, rows, queries, 0);
  running_tile<leaf_type> so_far;
  for (int leaf_end = (begin / p.leaf + 1) * p.leaf; !ring.ended(); ring.leave()) {
    ring.arrive();
    int const position = ring.position(), after = position + mma_tile::keys;
    if (position < rows.end && after > rows.begin) leaf.visit(ring.keys(), ring.values(), position);
    if (after < leaf_end && after < end) continue;
    leaf.close(), so_far.merge(leaf), leaf.clear();
    leaf_end += p.leaf;
  }
  VERBATIM_UNROLL
  for (int h = 0; h < 2; ++h) {
    if (!rows.of[h].stored) continue;
    VERBATIM_UNROLL
    for (int n = 0; n < leaf_type::column_blocks; ++n) {
      auto const result = [&](int e) { return so_far.total[h] > 0 ? quotient(so_far.value[n][e], so_far.total[h]) : 0.0f; };
      int const query = rows.of[h].query, column = query % p.heads * D + leaf.column_of(n);
      g.store_pack(p.out, activation_at<bf16>(query / p.heads, column, p.heads * D, p.groups), rounded_pair(result(2 * h), result(2 * h + 1)));
    }
  }
}

}  // namespace verbatim::kernel
