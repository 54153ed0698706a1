// Attention over paged keys and values, for a few rows of one sequence and the query heads of one kv head. Keys are visited
// in leaves of `leaf` absolute positions. Each leaf gives (max, sum of exp, weighted values) on its own, and leaves merge
// in ascending order; within a leaf values accumulate in ascending position and the sum is a fixed tree. A masked
// position never enters (its weight is an exact zero and its value is not read), so the bits of a row depend on its
// position and its keys alone: not on pages, chunking, company or threads (layout_invariant).
// Cost: reads each visible key and value once per `queries_per_task` query vectors.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "verbatim/backend/cpu/kv.hpp"
#include "verbatim/backend/cpu/leaf_attention.hpp"
#include "verbatim/backend/cpu/linear.hpp"
#include "verbatim/backend/memory.hpp"
#include "verbatim/backend/ops.hpp"
#include "verbatim/backend/step.hpp"

namespace verbatim::cpu {

/// Query vectors that share one pass over keys and values; their running sums (16 KiB at head_dim 64) stay in L1.
inline constexpr int queries_per_task = leaf_attention::policy::queries_per_task;

/// Working memory of one thread.
struct attention_scratch {
  attention_scratch(int queries, int leaf, int width)
      : leaf_size(leaf), width(width), maxima(std::size_t(queries)), sums(std::size_t(queries)),
        values(std::size_t(queries) * std::size_t(width)), scores(std::size_t(rows) * std::size_t(leaf)),
        leaf_values(std::size_t(rows) * std::size_t(width)) {}
  static constexpr int rows = 8;  // at least block_of<Isa>::rows
  int leaf_size, width;
  aligned_array<float> maxima, sums, values;      // of each query over the leaves so far
  aligned_array<float> scores, leaf_values;       // of one block of queries in one leaf
};

/// One task: rows [first, first + count) of a slice (counted within it) against one kv head.
template <class Isa, class T> class attention {
  using V = vector_of<Isa>;
  static_assert(block_of<Isa>::rows <= attention_scratch::rows);

 public:
  attention(kv_store<T> const& kv, attention_scratch& scratch, slice const& s, int layer, int kv_head, int window)
      : kv_(kv), scratch_(scratch), slice_(s), layer_(layer), kv_head_(kv_head), window_(window) {}

  /// q and out: rows of the whole step, heads side by side; group: query heads of a kv head.
  void operator()(rows_of<T> q, rows_of<T> out, int group, int first, int count) noexcept {
    q_ = q, group_ = group, first_ = first;
    int const queries = count * group, leaf = scratch_.leaf_size;
    for (int i = 0; i < queries; ++i) {
      scratch_.maxima.data()[i] = -std::numeric_limits<float>::infinity();
      scratch_.sums.data()[i] = 0;
    }
    std::fill_n(scratch_.values.data(), std::size_t(queries) * std::size_t(scratch_.width), 0.0f);
    for (int base = begin_of(0) / leaf * leaf; base < end_of(queries - 1); base += leaf)
      for_parts(queries, block_of<Isa>::rows, [&](int query, int n, int, int) { visit(base, query, n); });
    for (int i = 0; i < queries; ++i) finish(i, out);
  }

 private:
  int row_of(int query) const noexcept { return slice_.first_row + first_ + query / group_; }
  int position_of(int query) const noexcept { return slice_.first_position + first_ + query / group_; }
  int end_of(int query) const noexcept { return position_of(query) + 1; }
  int begin_of(int query) const noexcept { return window_ > 0 ? std::max(0, end_of(query) - window_) : 0; }
  std::size_t column_of(int query) const noexcept {
    return std::size_t(kv_head_ * group_ + query % group_) * std::size_t(kv_.head_dim());
  }
  T const* query_at(int query) const noexcept { return q_.row(row_of(query)) + column_of(query); }
  float* scores(int r) const noexcept { return scratch_.scores.data() + std::size_t(r) * std::size_t(scratch_.leaf_size); }
  float* leaf_values(int r) const noexcept { return scratch_.leaf_values.data() + std::size_t(r) * std::size_t(scratch_.width); }

  /// Queries [query, query + n), n <= rows of a register block, over the leaf at `base`.
  void visit(int base, int query, int n) noexcept {
    int from[attention_scratch::rows] = {}, to[attention_scratch::rows] = {};
    for (int r = 0; r < n; ++r) {
      from[r] = std::max(begin_of(query + r), base);
      to[r] = std::max(from[r], std::min(end_of(query + r), base + scratch_.leaf_size));
    }
    // Rows ascend, so both ends do: the first row starts first, the last ends last.
    int const low = from[0], high = to[n - 1];
    if (low >= high) return;
    with_rows<Isa>(n, [&](auto rows) { score<rows>(base, query, low, high); });
    float maxima[attention_scratch::rows] = {}, sums[attention_scratch::rows] = {};
    for (int r = 0; r < n; ++r) soften(r, base, from[r], to[r], maxima[r], sums[r]);
    std::fill_n(scratch_.leaf_values.data(), std::size_t(n) * std::size_t(scratch_.width), 0.0f);
    int const shared_low = from[n - 1], shared_high = std::max(shared_low, to[0]);
    for (int r = 0; r < n; ++r) weigh<1>(base, r, from[r], std::min(shared_low, to[r]));
    with_rows<Isa>(n, [&](auto rows) { weigh<rows>(base, 0, shared_low, shared_high); });
    for (int r = 0; r < n; ++r) weigh<1>(base, r, std::max(from[r], shared_high), to[r]);
    for (int r = 0; r < n; ++r)
      if (from[r] < to[r]) merge(query + r, r, maxima[r], sums[r]);
  }

  /// scores(r)[j - base] = q k_j / sqrt(head_dim) for the tiles that hold [low, high). Lanes outside are not to be used.
  template <int Rows> void score(int base, int query, int low, int high) noexcept {
    float const scale = 1.0f / std::sqrt(float(kv_.head_dim()));
    for (int j = low / tree_lanes * tree_lanes; j < high; j += tree_lanes) {
      std::uint32_t const* const tile = kv_.key_tile(layer_, slice_.pages[j / kv_.page()], kv_head_, j % kv_.page());
      multiply_block<Isa, T, Rows, 1>(
          tile, weight_strides{tree_lanes, 0}, kv_.steps(), [&](int r) { return query_at(query + r); }, [](int, int) { return V(0.0f); },
          [&](int r, int, V v) __attribute__((always_inline)) { (v * V(scale)).store(scores(r) + (j - base)); });
    }
  }

  /// Scores of [from, to) become exp(score - max), all others within their tiles 0.
  void soften(int r, int base, int from, int to, float& max_out, float& sum_out) const noexcept {
    if (from >= to) return;
    float* const p = scores(r);
    int const first = (from - base) / tree_lanes * tree_lanes, last = to - base, begin = from - base;
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
  template <int Rows> void weigh(int base, int first, int from, int to) noexcept {
    for (int j = from; j < to;) {
      int const offset = j % kv_.page(), n = std::min(to - j, kv_.page() - offset);
      T const* const values = kv_.value_row(layer_, slice_.pages[j / kv_.page()], kv_head_, offset);
      int column = 0;
      for (; column + block_of<Isa>::tiles * tree_lanes <= kv_.width(); column += block_of<Isa>::tiles * tree_lanes)
        weigh_block<Rows, block_of<Isa>::tiles>(values, j - base, n, first, column);
      for (; column < kv_.width(); column += tree_lanes) weigh_block<Rows, 1>(values, j - base, n, first, column);
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

  /// Running (max, sum, values) of a query with those of the leaf. The first leaf comes through exactly.
  void merge(int query, int r, float leaf_max, float leaf_sum) noexcept {
    float& m = scratch_.maxima.data()[query];
    float& sum = scratch_.sums.data()[query];
    float const together = math::max(leaf_max, m);
    float const old_scale = math::exp(m - together), new_scale = math::exp(leaf_max - together);
    m = together;
    sum = math::fma(leaf_sum, new_scale, sum * old_scale);
    float* const values = scratch_.values.data() + std::size_t(query) * std::size_t(scratch_.width);
    for (int i = 0; i < scratch_.width; i += tree_lanes)
      fma(V::load(leaf_values(r) + i), V(new_scale), V::load(values + i) * V(old_scale)).store(values + i);
  }

  void finish(int query, rows_of<T> out) const noexcept {
    float const* const values = scratch_.values.data() + std::size_t(query) * std::size_t(scratch_.width);
    V const sum(scratch_.sums.data()[query]);
    T* const to = out.row(row_of(query)) + column_of(query);
    for (int i = 0; i < kv_.head_dim(); i += tree_lanes) store_some(to + i, V::load(values + i) / sum, kv_.head_dim() - i);
  }

  kv_store<T> const& kv_;
  attention_scratch& scratch_;
  slice const& slice_;
  int layer_, kv_head_, window_;
  rows_of<T> q_{};
  int group_ = 1, first_ = 0;
};

}  // namespace verbatim::cpu
