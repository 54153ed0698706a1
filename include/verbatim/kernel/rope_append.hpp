// Rotary embedding of queries and keys, and the append of keys and values to the paged cache, in one pass; before them, where asked, what
// a projection whose leaves several blocks computed leaves to do (sums, bias), and the norms of heads.
// (a, b) -> (a cos - b sin, b cos + a sin), a and b being the halves of a head. In bf16, tables and each operation are rounded as
// transformers does; in f32 the sum is an fma. Elementwise: the bits of the CPU backend (layout_invariant); sums of leaves and norms have
// those of sm90::merge_leaves and rms_norm.hpp.
// Rotated queries go to rows of their own, rotated keys to the cache alone. Cost: each byte once; `rope_table` once a step, not a layer.
#pragma once
#include "verbatim/kernel/paged_kv.hpp"
#include "verbatim/kernel/rms_norm.hpp"

namespace verbatim::kernel {

/// cosine and sine [rows, half], of positions[row] * frequencies[i], rounded to T. One block a row.
template <class T> struct rope_table_params {
  global<int const> positions;       ///< [rows]
  global<float const> frequencies;   ///< [half]
  global<float> cosine, sine;
  int rows, half;
};
template <class T> constexpr launch_shape shape_of(rope_table_params<T> const& p) { return {.x = p.rows, .threads = 64}; }

template <class Grid, class T> VERBATIM_KERNEL void run(Grid g, rope_table_params<T> const& p) {
  int const row = g.block_x(), position = g.load(p.positions, row);
  for (int i = g.thread(); i < p.half; i += g.threads()) {
    auto const sc = math::sin_cos(product(float(position), g.load(p.frequencies, i)));
    g.store(p.cosine, row * p.half + i, rounded_to<T>(sc.cosine));
    g.store(p.sine, row * p.half + i, rounded_to<T>(sc.sine));
  }
}

template <class T> struct rope_append_params {
  global<T const> qkv;                 ///< [rows, (heads + 2 kv_heads) * head_dim]
  global<T> q;                         ///< [rows, heads * head_dim]
  global<float const> cosine, sine;    ///< [rows, head_dim / 2]
  global<int const> positions;         ///< [rows]
  global<int const> sequence_of;       ///< [rows], for its pages; negative: a row that fills up a step, of which nothing is kept
  sequences of;
  paged_kv<T> kv;
  int rows, heads;
  global<float const> q_norm{}, k_norm{};   ///< [head_dim], or empty: heads are not normed
  float eps = 0;
  global<float const> partial{}, bias{};    ///< [leaves, rows, columns of qkv] and [columns], or empty: qkv, which is not read then
  int leaves = 0;
};
/// As many heads a block as its threads have packs for. Heads have a power of two of them, at most 32, and at least two.
inline constexpr int head_threads = 128;
template <class T> constexpr launch_shape shape_of(rope_append_params<T> const& p) {
  return {.x = p.rows, .y = blocks_for((p.heads + 2 * p.kv.kv_heads) * p.kv.head_dim, head_threads * pack_size<T>), .threads = head_threads};
}

template <class T> struct rotated {
  T first, second;
};
template <class T> VERBATIM_KERNEL rotated<T> rotate(T first, T second, float c, float s) {
  float const a = to_float(first), b = to_float(second), minus = 0.0f - b;
  if constexpr (sizeof(T) == 4) return {math::fma(minus, s, product(a, c)), math::fma(a, s, product(b, c))};
  else
    return {from_float<T>(sum(rounded_to<T>(product(a, c)), rounded_to<T>(product(minus, s)))),
            from_float<T>(sum(rounded_to<T>(product(b, c)), rounded_to<T>(product(a, s))))};
}

template <class Grid, class T> VERBATIM_KERNEL void run(Grid g, rope_append_params<T> const& p) {
  constexpr int n = pack_size<T>;
  int const row = g.block_x(), d = p.kv.head_dim, packs = d / n, position = g.load(p.positions, row), sequence = g.load(p.sequence_of, row);
  if (sequence < 0) return;
  int const unit = g.block_y() * head_threads + g.thread(), head = unit / packs, i = unit % packs * n, columns = (p.heads + 2 * p.kv.kv_heads) * d;
  bool const there = unit * n < columns, rotates = head < p.heads + p.kv.kv_heads;
  full_pack<T> x{};
  if (there && p.leaves == 0) x = g.template load_pack<n>(p.qkv, std::size_t(row) * std::size_t(columns) + std::size_t(unit * n));
  if (there && p.leaves > 0) {
    float total[n] = {};
    for (int l = 0; l < p.leaves; ++l)
      for (int first = 0; first < n; first += 4) {
        auto const leaf = g.template load_pack<4>(p.partial, (std::size_t(l) * std::size_t(p.rows) + std::size_t(row)) * std::size_t(columns) +
                                                  std::size_t(unit * n + first));
        for (int j = 0; j < 4; ++j) total[first + j] = sum(total[first + j], leaf.value[j]);
      }
    for (int j = 0; j < n; ++j) x.value[j] = from_float<T>(p.bias.size > 0 ? sum(total[j], g.load(p.bias, unit * n + j)) : total[j]);
  }
  if (p.q_norm.size > 0) {   // the tree of a warp that has this head alone: its other lanes add zeros
    float squares = add_squares(x, 0.0f);
    for (int m = packs / 2; m > 0; m /= 2) squares = sum(squares, g.shfl_xor(squares, m));
    if (there && rotates) scale_pack(g, x, norm_scale(squares, d, p.eps), head < p.heads ? p.q_norm : p.k_norm, i);
  }
  // A pair's other element lies half a head on: another lane has it.
  full_pack<T> y;
  for (int j = 0; j < n; ++j) {
    float const own = to_float(x.value[j]), other = g.shfl_xor(own, packs / 2);
    bool const first = i < d / 2;
    std::size_t const angle = std::size_t(row) * std::size_t(d / 2) + std::size_t(i % (d / 2) + j);
    auto const r = rotate<T>(from_float<T>(first ? own : other), from_float<T>(first ? other : own), g.load(p.cosine, angle), g.load(p.sine, angle));
    y.value[j] = first ? r.first : r.second;
  }
  if (!there) return;
  if (head < p.heads) return g.store_pack(p.q, (std::size_t(row) * std::size_t(p.heads) + std::size_t(head)) * std::size_t(d) + std::size_t(i), y);
  int const kv_head = (head - p.heads) % p.kv.kv_heads, page = g.load(p.of.pages, sequence * p.of.pages_each + position / p.kv.page);
  g.store_pack(rotates ? p.kv.keys : p.kv.values, p.kv.at(page, kv_head, position % p.kv.page) + std::size_t(i), rotates ? y : x);
}

}  // namespace verbatim::kernel
