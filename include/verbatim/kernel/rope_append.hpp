// Rotary embedding of queries and keys, and the append of keys and values to the paged cache, in one pass over a row.
// (a, b) -> (a cos - b sin, b cos + a sin), a and b being the halves of a head. In bf16, tables and each operation are rounded as
// transformers does; in f32 the sum is an fma. Elementwise: the bits of the CPU backend (layout_invariant).
// Rotated queries go to rows of their own, rotated keys to the cache alone. Cost: each byte once; `rope_table` once a step, not a layer.
#pragma once
#include "verbatim/kernel/paged_kv.hpp"

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
};
template <class T> constexpr launch_shape shape_of(rope_append_params<T> const& p) { return {.x = p.rows, .threads = 128}; }

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
  int const row = g.block_x(), d = p.kv.head_dim, half = d / 2, position = g.load(p.positions, row), sequence = g.load(p.sequence_of, row);
  if (sequence < 0) return;
  int const page = g.load(p.of.pages, sequence * p.of.pages_each + position / p.kv.page);
  std::size_t const base = std::size_t(row) * std::size_t(p.heads + 2 * p.kv.kv_heads) * std::size_t(d);
  for (int i = g.thread(); i < (p.heads + p.kv.kv_heads) * half; i += g.threads()) {
    int const head = i / half, pair = i % half;
    std::size_t const at = base + std::size_t(head) * std::size_t(d) + std::size_t(pair);
    auto const r = rotate(g.load(p.qkv, at), g.load(p.qkv, at + std::size_t(half)), g.load(p.cosine, row * half + pair), g.load(p.sine, row * half + pair));
    if (head < p.heads) {
      std::size_t const to = (std::size_t(row) * std::size_t(p.heads) + std::size_t(head)) * std::size_t(d) + std::size_t(pair);
      g.store(p.q, to, r.first);
      g.store(p.q, to + std::size_t(half), r.second);
    } else {
      std::size_t const to = p.kv.at(page, head - p.heads, position % p.kv.page) + std::size_t(pair);
      g.store(p.kv.keys, to, r.first);
      g.store(p.kv.keys, to + std::size_t(half), r.second);
    }
  }
  std::size_t const v = base + std::size_t(p.heads + p.kv.kv_heads) * std::size_t(d);
  for (int i = g.thread(); i < p.kv.kv_heads * d; i += g.threads())
    g.store(p.kv.values, p.kv.at(page, i / d, position % p.kv.page) + std::size_t(i % d), g.load(p.qkv, v + std::size_t(i)));
}

}  // namespace verbatim::kernel
