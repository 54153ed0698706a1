// Attention over paged keys and values. Decode: `split_attention`, one block per leaf, then `merge_attention` (merge_attention.hpp) in
// ascending leaf order. Prefill: `row_attention`, one block per few queries, which visits the leaves itself and merges them in the same way. Both
// give a row the same bits, whatever the batch, the chunking and the page size (batch_invariant), by attention_leaf.hpp.
// Cost: split reads each key and value once per kv head and writes (D + 2) floats a query and leaf: 1.6% of 256 keys of 128 in bf16.
// row_attention reads a sequence's keys once per Queries queries; until tensor cores do it, its floor is arithmetic.
#pragma once
#include "verbatim/kernel/activations.hpp"
#include "verbatim/kernel/attention_leaf.hpp"

namespace verbatim::kernel {

template <class T> struct attention_params {
  global<T const> q;     ///< [rows, heads, D]
  global<T> out;         ///< [rows, heads, D], or tiles
  paged_kv<T> kv;
  sequences of;
  int heads, rows, leaf, window;   ///< leaf: a multiple of 16; window: positions that a row sees, 0: all
  int max_rows, max_leaves;        ///< of any sequence of the step: they size the grid, not the bits
  global<float> partial;           ///< split and merge: [rows, heads, max_leaves, D + 2]
  int groups = 0;                  ///< of tiles (activations.hpp)
};

template <class T> VERBATIM_HD constexpr int group_of(attention_params<T> const& p) { return p.heads / p.kv.kv_heads; }

/// Stores one column of head `query` % heads of row `query` / heads.
template <int D, class Grid, class T> VERBATIM_KERNEL void store_result(Grid g, attention_params<T> const& p, int query, int column, T v) {
  int const width = p.heads * D, row = query / p.heads, at = query % p.heads * D + column;
  g.store(p.out, activation_at<T>(row, at, width, p.groups), v);
  if constexpr (D < sm90::tile_k)   // the last head may be followed by as much that fills its tile up
    if (at + D >= width && at + D < stored_columns(width, p.groups)) g.store(p.out, activation_at<T>(row, at + D, width, p.groups), T{});
}

/// Block `tile` of the queries of a sequence and kv head; its count is 0 or less where there are none.
template <class Grid, class T> VERBATIM_KERNEL query_block block_of_queries(Grid g, attention_params<T> const& p, int sequence, int tile, int queries) {
  int const group = group_of(p), tiles = blocks_for(p.max_rows * group, queries);
  int const first = tile % tiles * queries, all = g.load(p.of.rows, sequence) * group;
  return {sequence, tile / tiles, group, first, all - first < queries ? all - first : queries,
          g.load(p.of.first_row, sequence), g.load(p.of.first_position, sequence), p.window};
}
template <class T> constexpr int query_tiles(attention_params<T> const& p, int queries) {
  return blocks_for(p.max_rows * group_of(p), queries) * p.kv.kv_heads;
}

// --- one block per leaf ------------------------------------------------------------------------------------------------
template <class T, int Queries, int D> struct split_attention : attention_params<T> {};

template <class T, int Queries, int D> constexpr launch_shape shape_of(split_attention<T, Queries, D> const& p) {
  return {.x = p.max_leaves, .y = p.of.count, .z = query_tiles(p, Queries), .threads = 128, .shared = leaf_layout<T, Queries, D>{p.leaf}.bytes()};
}

template <class Grid, class T, int Queries, int D> VERBATIM_KERNEL void run(Grid g, split_attention<T, Queries, D> const& p) {
  query_block const b = block_of_queries<Grid, T>(g, p, g.block_y(), g.block_z(), Queries);
  int const base = g.block_x() * p.leaf;
  if (b.count <= 0 || base >= b.end_of(b.count - 1) || base + p.leaf <= b.begin_of(0)) return;
  leaf_attention<Grid, T, Queries, D> leaf(g, p.kv, p.of, b, p.leaf);
  leaf.stage(p.q, p.heads);
  leaf.visit(base);
  for (int i = g.thread(); i < b.count * D; i += g.threads()) {
    int const query = i / D, column = i % D;
    std::size_t const to = (b.column(query, p.heads, 1) * std::size_t(p.max_leaves) + std::size_t(g.block_x())) * std::size_t(D + 2);
    g.store(p.partial, to + std::size_t(column), leaf.value_of(query, column));
    if (column == 0) g.store(p.partial, to + D, leaf.maximum_of(query)), g.store(p.partial, to + D + 1, leaf.sum_of(query));
  }
}

// --- one block for all leaves ------------------------------------------------------------------------------------------
template <class T, int Queries, int D> struct row_attention : attention_params<T> {};

/// Sequences side by side, then tiles: in one dimension, since others end at 65535.
template <class T, int Queries, int D> constexpr launch_shape shape_of(row_attention<T, Queries, D> const& p) {
  return {.x = p.of.count * query_tiles(p, Queries), .threads = 128, .shared = leaf_layout<T, Queries, D>{p.leaf}.bytes()};
}

template <class Grid, class T, int Queries, int D> VERBATIM_KERNEL void run(Grid g, row_attention<T, Queries, D> const& p) {
  constexpr int each = Queries * D / 128;   // results of a thread: element thread + 128 i is column % D of query / D
  static_assert(Queries * D % 128 == 0);
  query_block const b = block_of_queries<Grid, T>(g, p, g.block_x() % p.of.count, g.block_x() / p.of.count, Queries);
  if (b.count <= 0) return;
  leaf_attention<Grid, T, Queries, D> leaf(g, p.kv, p.of, b, p.leaf);
  leaf.stage(p.q, p.heads);
  running_leaves so_far[each];
  for (int base = b.begin_of(0) / p.leaf * p.leaf; base < b.end_of(b.count - 1); base += p.leaf) {
    leaf.visit(base);
    for (int i = 0; i < each; ++i) {
      int const query = (g.thread() + 128 * i) / D, column = (g.thread() + 128 * i) % D;
      so_far[i].merge(leaf.maximum_of(query), leaf.sum_of(query), leaf.value_of(query, column));
    }
  }
  for (int i = 0; i < each; ++i) {
    int const query = (g.thread() + 128 * i) / D, column = (g.thread() + 128 * i) % D;
    if (query < b.count) store_result<D>(g, p, int(b.column(query, p.heads, 1)), column, from_float<T>(so_far[i].result()));
  }
}

}  // namespace verbatim::kernel
