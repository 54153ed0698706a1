// Attention of a block of queries over one leaf of keys and values: (max, sum of exp, weighted values) of each query, on its own.
// Within a leaf values accumulate in ascending position and the sum is a fixed tree; a masked position never enters (its weight
// is an exact zero and its value is not read). So what a query gets depends on its visible positions in the leaf alone.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "verbatim/backend/cpu/kv.hpp"
#include "verbatim/backend/cpu/linear.hpp"
#include "verbatim/backend/memory.hpp"

namespace verbatim::cpu {

/// A query vector, and the positions of its sequence that it sees: [begin, end).
template <class T> struct leaf_query {
  T const* data;
  int begin, end;
};

/// What a leaf, or several, gave for one query.
struct leaf_result {
  float maximum, sum;
  float const* values;   ///< [width]
};

/// Working memory of one thread: of one block of queries in one leaf, and for what has to be decoded.
template <class T> struct leaf_scratch {
  static constexpr int rows = 8;   ///< at least block_of<Isa>::rows
  leaf_scratch(int leaf, kv_store<T> const& kv)
      : leaf_size(leaf), width(kv.width()), scores(std::size_t(rows) * std::size_t(leaf)), leaf_values(std::size_t(rows) * std::size_t(width)),
        key_tile(std::size_t(kv.steps()) * tree_lanes), value_rows(std::size_t(kv.page()) * std::size_t(width)) {}
  int leaf_size, width;
  aligned_array<float> scores, leaf_values;
  aligned_array<std::uint32_t> key_tile;
  aligned_array<T> value_rows;
};

template <class Isa, class T> class leaf_pass {
  using V = vector_of<Isa>;
  static constexpr int most = leaf_scratch<T>::rows;
  static_assert(block_of<Isa>::rows <= most);

 public:
  leaf_pass(kv_store<T> const& kv, leaf_scratch<T>& scratch, int layer, int kv_head) : kv_(kv), scratch_(scratch), layer_(layer), kv_head_(kv_head) {}

  /// The leaf at `base`; `pages`: of the whole sequence. n <= rows of a register block; begins and ends ascend. Calls
  /// result(r, leaf_result) for each query that sees a position of the leaf.
  template <class F> void operator()(int const* pages, int base, leaf_query<T> const* queries, int n, F&& result) noexcept {
    pages_ = pages, base_ = base, queries_ = queries;
    int from[most] = {}, to[most] = {};
    for (int r = 0; r < n; ++r) {
      from[r] = std::max(queries[r].begin, base);
      to[r] = std::max(from[r], std::min(queries[r].end, base + scratch_.leaf_size));
    }
    int const low = from[0], high = to[n - 1];   // both ascend
    if (low >= high) return;
    with_rows<Isa>(n, [&](auto rows) { score<rows>(low, high); });
    float maxima[most] = {}, sums[most] = {};
    for (int r = 0; r < n; ++r) soften(r, from[r], to[r], maxima[r], sums[r]);
    std::fill_n(scratch_.leaf_values.data(), std::size_t(n) * std::size_t(scratch_.width), 0.0f);
    int const shared_low = from[n - 1], shared_high = std::max(shared_low, to[0]);
    for (int r = 0; r < n; ++r) weigh<1>(r, from[r], std::min(shared_low, to[r]));
    with_rows<Isa>(n, [&](auto rows) { weigh<rows>(0, shared_low, shared_high); });
    for (int r = 0; r < n; ++r) weigh<1>(r, std::max(from[r], shared_high), to[r]);
    for (int r = 0; r < n; ++r)
      if (from[r] < to[r]) result(r, leaf_result{maxima[r], sums[r], leaf_values(r)});
  }

 private:
  float* scores(int r) const noexcept { return scratch_.scores.data() + std::size_t(r) * std::size_t(scratch_.leaf_size); }
  float* leaf_values(int r) const noexcept { return scratch_.leaf_values.data() + std::size_t(r) * std::size_t(scratch_.width); }

  /// scores(r)[j - base] = q k_j / sqrt(head_dim) for the tiles that hold [low, high). Lanes outside are not to be used.
  template <int Rows> void score(int low, int high) noexcept {
    float const scale = 1.0f / std::sqrt(float(kv_.head_dim()));
    for (int j = low / tree_lanes * tree_lanes; j < high; j += tree_lanes) {
      std::uint32_t const* const tile = kv_.key_tile(layer_, pages_[j / kv_.page()], kv_head_, j % kv_.page(), scratch_.key_tile.data());
      multiply_block<Isa, T, Rows, 1>(
          tile, weight_strides{tree_lanes, 0}, kv_.steps(), [&](int r) { return queries_[r].data; }, [](int, int) { return V(0.0f); },
          [&](int r, int, V v) __attribute__((always_inline)) { (v * V(scale)).store(scores(r) + (j - base_)); });
    }
  }

  /// Scores of [from, to) become exp(score - max), all others within their tiles 0.
  void soften(int r, int from, int to, float& max_out, float& sum_out) const noexcept {
    if (from >= to) return;
    float* const p = scores(r);
    int const first = (from - base_) / tree_lanes * tree_lanes, last = to - base_, begin = from - base_;
    V largest(-std::numeric_limits<float>::infinity()), sum(0.0f);
    for (int j = first; j < last; j += tree_lanes)
      largest = max(V::load(p + j).keep(begin - j, last - j, -std::numeric_limits<float>::infinity()), largest);
    max_out = maximum(largest);
    for (int j = first; j < last; j += tree_lanes) {
      V const e = math::exp(V::load(p + j) - V(max_out)).keep(begin - j, last - j, 0.0f);
      e.store(p + j);
      sum = sum + e;
    }
    sum_out = tree_sum(sum);
  }

  /// leaf_values(first + r) += weight_j * value_j over [from, to), in ascending j.
  template <int Rows> void weigh(int first, int from, int to) noexcept {
    for (int j = from; j < to;) {
      int const offset = j % kv_.page(), n = std::min(to - j, kv_.page() - offset);
      T const* const values = kv_.value_rows(layer_, pages_[j / kv_.page()], kv_head_, offset, n, scratch_.value_rows.data());
      constexpr int tiles = block_of<Isa>::tiles(Rows);
      int column = 0;
      for (; column + tiles * tree_lanes <= kv_.width(); column += tiles * tree_lanes)
        weigh_block<Rows, tiles>(values, j - base_, n, first, column);
      for (; column < kv_.width(); column += tree_lanes) weigh_block<Rows, 1>(values, j - base_, n, first, column);
      j += n;
    }
  }

  template <int Rows, int Tiles>
  void weigh_block(T const* values, int start, int n, int first, int column) noexcept {
    V acc[Rows][Tiles];
    float const* weight[Rows];
    repeat<Rows>([&](auto r) __attribute__((always_inline)) {
      weight[r] = scores(first + r) + start;
      repeat<Tiles>([&](auto t) __attribute__((always_inline)) { acc[r][t] = V::load(leaf_values(first + r) + column + t * tree_lanes); });
    });
    for (int j = 0; j < n; ++j) {
      V v[Tiles];
      T const* const row = values + std::size_t(j) * std::size_t(kv_.width()) + column;
      repeat<Tiles>([&](auto t) __attribute__((always_inline)) { v[t] = V::load(row + t * tree_lanes); });
      repeat<Rows>([&](auto r) __attribute__((always_inline)) {
        V const p(weight[r][j]);
        repeat<Tiles>([&](auto t) __attribute__((always_inline)) { acc[r][t] = fma(p, v[t], acc[r][t]); });
      });
    }
    repeat<Rows>([&](auto r) __attribute__((always_inline)) {
      repeat<Tiles>([&](auto t) __attribute__((always_inline)) { acc[r][t].store(leaf_values(first + r) + column + t * tree_lanes); });
    });
  }

  kv_store<T> const& kv_;
  leaf_scratch<T>& scratch_;
  int layer_, kv_head_, base_ = 0;
  int const* pages_ = nullptr;
  leaf_query<T> const* queries_ = nullptr;
};

}  // namespace verbatim::cpu
