// Row-wise bodies between the linears: embedding, residual addition, SiLU gate. One block a row, 16 bytes an access, nothing
// shared. Elementwise, so the bits are those of the CPU backend (layout_invariant); rounded to T where that rounds.
// Widths and strides are multiples of pack_size<T>. Cost: every byte once; the floor is bandwidth.
#pragma once
#include "verbatim/kernel/activations.hpp"
#include "verbatim/kernel/input_token.hpp"
#include "verbatim/kernel/values.hpp"

namespace verbatim::kernel {

inline constexpr int rowwise_threads = 128;

/// y[row] = table[ids[row]]. An id outside the table gives zeros rather than a stray read.
template <class T> struct embedding_params {
  global<T const> table;   ///< [vocabulary, width]
  global<token const> ids; ///< [rows]
  global<T> y;             ///< [rows, width]
  int rows, width;
  global<sampling_result const> sampled = {};   ///< what negative ids speak of: see input_token
};
template <class T> constexpr launch_shape shape_of(embedding_params<T> const& p) { return {.x = p.rows, .threads = rowwise_threads}; }

template <class Grid, class T> VERBATIM_KERNEL void run(Grid g, embedding_params<T> const& p) {
  token const id = input_token(g, p.ids, p.sampled);
  std::size_t const from = std::size_t(id) * std::size_t(p.width), to = std::size_t(g.block_x()) * std::size_t(p.width);
  bool const known = id >= 0 && from < p.table.size;
  for (int i = g.thread() * pack_size<T>; i < p.width; i += g.threads() * pack_size<T>)
    g.store_pack(p.y, to + std::size_t(i), known ? g.template load_pack<pack_size<T>>(p.table, from + std::size_t(i)) : full_pack<T>{});
}

/// x = T(x + y), in place.
template <class T> struct add_params {
  global<T> x;        ///< [rows, width]
  global<T const> y;  ///< [rows, width]
  int rows, width;
};
template <class T> constexpr launch_shape shape_of(add_params<T> const& p) { return {.x = p.rows, .threads = rowwise_threads}; }

template <class Grid, class T> VERBATIM_KERNEL void run(Grid g, add_params<T> const& p) {
  std::size_t const row = std::size_t(g.block_x()) * std::size_t(p.width);
  for (int i = g.thread() * pack_size<T>; i < p.width; i += g.threads() * pack_size<T>) {
    auto x = g.template load_pack<pack_size<T>>(p.x, row + std::size_t(i));
    auto const y = g.template load_pack<pack_size<T>>(p.y, row + std::size_t(i));
    for (int j = 0; j < pack_size<T>; ++j) x.value[j] = from_float<T>(sum(to_float(x.value[j]), to_float(y.value[j])));
    g.store_pack(p.x, row + std::size_t(i), x);
  }
}

/// T(T(silu(gate)) * up).
template <class T> VERBATIM_KERNEL T gated(T gate, T up) {
  float const x = to_float(gate), activated = quotient(x, sum(1.0f, math::exp(0.0f - x)));
  return from_float<T>(product(rounded_to<T>(activated), to_float(up)));
}

/// y = gated(gate, up) of rows [gate, up].
template <class T> struct silu_mul_params {
  global<T const> gate_up;  ///< [rows, 2 * width]
  global<T> y;              ///< [rows, width], or tiles
  int rows, width;
  int groups = 0;           ///< of tiles (activations.hpp)
};
template <class T> constexpr launch_shape shape_of(silu_mul_params<T> const& p) { return {.x = p.rows, .threads = rowwise_threads}; }

template <class Grid, class T> VERBATIM_KERNEL void run(Grid g, silu_mul_params<T> const& p) {
  std::size_t const row = std::size_t(g.block_x()) * std::size_t(p.width);
  for (int i = g.thread() * pack_size<T>; i < stored_columns(p.width, p.groups); i += g.threads() * pack_size<T>) {
    std::size_t const to = activation_at<T>(g.block_x(), i, p.width, p.groups);
    if (i >= p.width) {
      g.store_pack(p.y, to, full_pack<T>{});
      continue;
    }
    auto const gate = g.template load_pack<pack_size<T>>(p.gate_up, 2 * row + std::size_t(i));
    auto const up = g.template load_pack<pack_size<T>>(p.gate_up, 2 * row + std::size_t(p.width + i));
    full_pack<T> y;
    for (int j = 0; j < pack_size<T>; ++j) y.value[j] = gated(gate.value[j], up.value[j]);
    g.store_pack(p.y, to, y);
  }
}

}  // namespace verbatim::kernel
