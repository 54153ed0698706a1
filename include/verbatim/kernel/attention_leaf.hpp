// Attention of a few queries to one leaf of keys at absolute positions: the piece that decode and prefill share, so that they
// share its bits. Per query: scores are chains of fma in ascending dimension, times 1/sqrt(d); the maximum; exp; the sum, as
// positions i, i + 32, ... in a lane, then a butterfly; values as one chain of fma per quarter of a leaf, quarters in ascending order.
// A position that a query does not see takes part in none of this. So bits depend on the query, its keys and positions alone.
// Queries of one kv head lie side by side (GQA packing): query q is row q / group, head q % group. Block: four warps.
#pragma once
#include "verbatim/kernel/paged_kv.hpp"

namespace verbatim::kernel {

/// A block's shared memory for `Queries` queries of dimension D and leaves of `leaf` positions.
template <class T, int Queries, int D> struct leaf_layout {
  static constexpr int threads = 128, warps = 4, tile = 32;            // tile: keys staged at a time
  static constexpr int pitch = D + pack_size<T>;                       // of a staged key: padded against bank conflicts
  static constexpr int columns = D / warp_lanes;                       // of a lane, in the sum of values
  static_assert(D % warp_lanes == 0 && columns * int(sizeof(T)) <= 16);
  int leaf;
  VERBATIM_HD constexpr place queries() const { return {0, Queries * D}; }                                        // float
  VERBATIM_HD constexpr place scores() const { return {Queries * D * 4, Queries * leaf}; }                        // float; leaf % 16 == 0
  VERBATIM_HD constexpr place keys() const { return {scores().offset + Queries * leaf * 4, tile * pitch}; }       // T; then reused as:
  VERBATIM_HD constexpr place quarters() const { return {keys().offset, warps * Queries * D}; }                   // float
  VERBATIM_HD constexpr place stats() const {                                                                     // float: maxima, sums
    int const keys_end = tile * pitch * int(sizeof(T)), quarters_end = warps * Queries * D * 4;
    return {keys().offset + (keys_end > quarters_end ? keys_end : quarters_end), 2 * Queries};
  }
  VERBATIM_HD constexpr int bytes() const { return stats().offset + 16 * blocks_for(2 * Queries, 4); }
};

/// Queries of one sequence and kv head: `count` of them, the first being query `first` of the sequence's.
struct query_block {
  int sequence, kv_head, group, first, count, first_row, first_position, window;
  /// One past the last position that query i of the block sees, and the first.
  VERBATIM_HD int end_of(int i) const { return first_position + (first + i) / group + 1; }
  VERBATIM_HD int begin_of(int i) const { return window > 0 && end_of(i) > window ? end_of(i) - window : 0; }
  VERBATIM_HD std::size_t column(int i, int heads, int d) const {   // where query i lies among rows of `heads` heads
    return (std::size_t(first_row + (first + i) / group) * std::size_t(heads) + std::size_t(kv_head * group + (first + i) % group)) * std::size_t(d);
  }
};

template <class Grid, class T, int Queries, int D> class leaf_attention {
  using layout = leaf_layout<T, Queries, D>;
  static constexpr int n = pack_size<T>;

 public:
  VERBATIM_KERNEL leaf_attention(Grid g, paged_kv<T> const& kv, sequences const& of, query_block const& b, int leaf) : g(g), kv(kv), of(of), b(b), at{leaf} {}

  /// Stages the queries, from rows of `heads` heads. Once; a barrier follows in every leaf.
  VERBATIM_KERNEL void stage(global<T const> q, int heads) {
    auto const to = g.template shared<float>(at.queries());
    for (int i = g.thread(); i < Queries * D; i += layout::threads)
      to.store(i, i / D < b.count ? to_float(g.load(q, b.column(i / D, heads, D) + std::size_t(i % D))) : 0.0f);
  }

  /// The leaf from position `base` on. After it, stats are in maximum_of and sum_of, values in value_of.
  VERBATIM_KERNEL void visit(int base) {
    int const last = b.end_of(b.count - 1) - base, end = last < at.leaf ? last : at.leaf;
    score(base, end);
    soften(base, end);
    weigh(base, end);
  }
  VERBATIM_KERNEL float maximum_of(int query) const { return g.template shared<float>(at.stats()).load(query); }
  VERBATIM_KERNEL float sum_of(int query) const { return g.template shared<float>(at.stats()).load(Queries + query); }
  VERBATIM_KERNEL float value_of(int query, int column) const {
    auto const quarters = g.template shared<float>(at.quarters());
    float v = 0;
    for (int w = 0; w < layout::warps; ++w) v = sum(v, quarters.load((w * Queries + query) * D + column));
    return v;
  }

 private:
  VERBATIM_KERNEL bool sees(int query, int position) const { return query < b.count && position >= b.begin_of(query) && position < b.end_of(query); }
  VERBATIM_KERNEL std::size_t cell(int position) const {
    return kv.at(g.load(of.pages, b.sequence * of.pages_each + position / kv.page), b.kv_head, position % kv.page);
  }

  VERBATIM_KERNEL void score(int base, int end) {
    auto const keys = g.template shared<T>(at.keys());
    auto const queries = g.template shared<float>(at.queries()), scores = g.template shared<float>(at.scores());
    float const scale = quotient(1.0f, square_root(float(D)));
    for (int first = 0; first < end; first += layout::tile) {
      g.sync();   // what the keys' place held has been read
      for (int i = g.thread(); i < layout::tile * (D / n); i += layout::threads) {
        int const key = i / (D / n), d = i % (D / n) * n;
        full_pack<T> v{};
        if (first + key < end) v = g.template load_pack<n>(kv.keys, cell(base + first + key) + std::size_t(d));
        keys.store_pack(key * layout::pitch + d, v);
      }
      g.sync();
      for (int i = g.thread(); i < layout::tile * Queries; i += layout::threads) {   // a warp has one query: its loads are broadcasts
        int const key = i % layout::tile, query = i / layout::tile;
        float dot = 0;
        for (int d = 0; d < D; d += n) {
          auto const k = keys.template load_pack<n>(key * layout::pitch + d);
          for (int j = 0; j < n; ++j) dot = math::fma(queries.load(query * D + d + j), to_float(k.value[j]), dot);
        }
        if (first + key < at.leaf) scores.store(query * at.leaf + first + key, product(dot, scale));
      }
    }
    g.sync();
  }

  /// Scores become weights, zero where a query does not see.
  VERBATIM_KERNEL void soften(int base, int end) {
    auto const scores = g.template shared<float>(at.scores()), stats = g.template shared<float>(at.stats());
    int const lane = g.thread() % warp_lanes;
    for (int query = g.thread() / warp_lanes; query < Queries; query += layout::warps) {
      float top = -__builtin_inff(), total = 0;
      for (int i = lane; i < end; i += warp_lanes)
        if (sees(query, base + i)) top = math::max(scores.load(query * at.leaf + i), top);
      for (int m = warp_lanes / 2; m > 0; m /= 2) top = math::max(top, g.shfl_xor(top, m));
      for (int i = lane; i < end; i += warp_lanes) {
        float const w = sees(query, base + i) ? math::exp(sum(scores.load(query * at.leaf + i), -top)) : 0.0f;
        scores.store(query * at.leaf + i, w);
        total = sum(total, w);
      }
      for (int m = warp_lanes / 2; m > 0; m /= 2) total = sum(total, g.shfl_xor(total, m));
      if (lane == 0) stats.store(query, top), stats.store(Queries + query, total);
    }
    g.sync();
  }

  /// A warp has a quarter of the leaf, a lane some columns: rows of values are read as they lie.
  VERBATIM_KERNEL void weigh(int base, int end) {
    constexpr int columns = layout::columns;
    auto const scores = g.template shared<float>(at.scores()), quarters = g.template shared<float>(at.quarters());
    int const lane = g.thread() % warp_lanes, warp = g.thread() / warp_lanes, quarter = at.leaf / layout::warps;
    int const stop = (warp + 1) * quarter < end ? (warp + 1) * quarter : end;
    float chain[Queries][columns] = {};
    for (int i = warp * quarter; i < stop; ++i) {
      auto const v = g.template load_pack<columns>(kv.values, cell(base + i) + std::size_t(lane * columns));
      for (int q = 0; q < Queries; ++q) {
        float const w = scores.load(q * at.leaf + i);
        bool const seen = sees(q, base + i);
        for (int c = 0; c < columns; ++c) {
          float const next = math::fma(w, to_float(v.value[c]), chain[q][c]);
          chain[q][c] = seen ? next : chain[q][c];
        }
      }
    }
    for (int q = 0; q < Queries; ++q)
      for (int c = 0; c < columns; ++c) quarters.store((warp * Queries + q) * D + lane * columns + c, chain[q][c]);
    g.sync();
  }

  Grid g;
  paged_kv<T> const& kv;
  sequences const& of;
  query_block const& b;
  layout at;
};

/// By what the leaves so far and the next one are scaled when they merge.
struct leaf_scales {
  float so_far, leaf;
};
/// Of the next leaf's maximum and that of the leaves so far.
VERBATIM_KERNEL leaf_scales scales_of(float maximum, float leaf_maximum) {
  float const together = math::max(leaf_maximum, maximum);
  return {math::exp(sum(maximum, -together)), math::exp(sum(leaf_maximum, -together))};
}
/// A sum or value of the leaves so far, and the next leaf's.
VERBATIM_KERNEL float merged(float so_far, float of_leaf, leaf_scales by) { return math::fma(of_leaf, by.leaf, product(so_far, by.so_far)); }

/// Merges a leaf of which something was seen (a sum above 0: no -inf - -inf) into a maximum and a sum; values follow by the scales.
VERBATIM_KERNEL leaf_scales merge_leaf(float& maximum, float& total, float leaf_maximum, float leaf_sum) {
  leaf_scales const by = scales_of(maximum, leaf_maximum);
  maximum = math::max(leaf_maximum, maximum);
  total = merged(total, leaf_sum, by);
  return by;
}

/// The leaves so far of one query, as far as one column is concerned. The first leaf comes through exactly.
struct running_leaves {
  float maximum = -__builtin_inff(), total = 0, value = 0;
  VERBATIM_KERNEL void merge(float leaf_maximum, float leaf_sum, float leaf_value) {
    if (!(leaf_sum > 0)) return;
    leaf_scales const by = merge_leaf(maximum, total, leaf_maximum, leaf_sum);
    value = merged(value, leaf_value, by);
  }
  VERBATIM_KERNEL float result() const { return total > 0 ? quotient(value, total) : 0.0f; }
};

}  // namespace verbatim::kernel
