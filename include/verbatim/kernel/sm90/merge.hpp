// What comes behind a product whose leaves several blocks computed: the sums of leaves, added in ascending order, give what one block with
// all leaves would have stored. Alone, or together with the norm of the row, where a block can have a row. (Heads of queries, keys and
// values have theirs in rope_append.hpp.) Cost: leaves * outputs floats a row, out of the second-level cache.
#pragma once
#include "verbatim/kernel/rms_norm.hpp"
#include "verbatim/kernel/sm90/linear.hpp"

namespace verbatim::kernel::sm90 {

template <class Out> struct merge_leaves : linear_params<Out> {};

inline constexpr int merge_threads = 128;
template <class Out> constexpr launch_shape shape_of(merge_leaves<Out> const& p) {
  int const columns = gates(p) ? stored_columns(p.outputs / 2, p.y_groups) : p.outputs;
  return {.x = p.rows, .y = blocks_for(columns, merge_threads), .threads = merge_threads};
}

template <class Grid, class Out> VERBATIM_KERNEL void run(Grid g, merge_leaves<Out> const& p) {
  int const column = g.block_y() * merge_threads + g.thread(), row = g.block_x();
  auto const total = [&](int output) {
    float v = 0;
    for (int l = 0; l < leaves_of(p.k); ++l)
      v = sum(v, g.load(p.partial, (std::size_t(l) * std::size_t(p.rows) + std::size_t(row)) * std::size_t(p.outputs) + std::size_t(output)));
    return v;
  };
  if (!gates(p)) {
    if (column < p.outputs) store_finished<Grid, Out>(g, p, row, column, finished<Grid, Out>(g, p, row, column, total(column)));
    return;
  }
  if (column >= stored_columns(p.outputs / 2, p.y_groups)) return;
  int const gate = output_of(column, 0);
  bool const there = column < p.outputs / 2;
  finish_gated<Grid, Out>(g, p, row, gate, there ? total(gate) : 0.0f, there ? total(gate + group_rows) : 0.0f);
}

/// The same and the RMS norm of what is stored, a block a row: the bits of rms_norm.hpp. Outputs are a multiple of eight, and no pairs.
struct merge_norm : linear_params<bf16> {
  global<float const> norm;   ///< [outputs]
  global<bf16> normed;        ///< [rows, outputs], or tiles
  float eps;
  int normed_groups;
};
constexpr launch_shape shape_of(merge_norm const& p) { return norm_shape(p.rows, 1, p.outputs); }

template <class Grid> VERBATIM_KERNEL void run(Grid g, merge_norm const& p) {
  int const row = g.block_x();
  std::size_t const line = std::size_t(row) * std::size_t(p.outputs);
  auto const merged = [&](int i) {
    float total[8] = {};
    for (int l = 0; l < leaves_of(p.k); ++l)
      for (int half = 0; half < 8; half += 4) {
        auto const leaf = g.template load_pack<4>(p.partial, std::size_t(l) * std::size_t(p.rows) * std::size_t(p.outputs) + line + std::size_t(i + half));
        for (int j = 0; j < 4; ++j) total[half + j] = sum(total[half + j], leaf.value[j]);
      }
    full_pack<bf16> residual{}, y;
    if (p.residual.size > 0) residual = g.template load_pack<8>(p.residual, line + std::size_t(i));   // not one by one: each would wait
    for (int j = 0; j < 8; ++j) y.value[j] = finished<bf16>(p, total[j], bias_of<Grid, bf16>(g, p, i + j), residual.value[j]);
    g.store_pack(p.y, line + std::size_t(i), y);
    return y;
  };
  auto const stored = [&](int i) { return g.template load_pack<8>(p.y, line + std::size_t(i)); };
  norm_row<bf16>(g, p.outputs, stored_columns(p.outputs, p.normed_groups), p.norm, p.eps, merged, stored, [&](int i, full_pack<bf16> const& x) {
    g.store_pack(p.normed, activation_at<bf16>(row, i, p.outputs, p.normed_groups), x);
  });
}

}  // namespace verbatim::kernel::sm90
