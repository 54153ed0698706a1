// y = T(x w^T + bias) for few rows and for many, with one reduction tree: k is cut into leaves of `linear_leaf`, each a chain of
// fma in ascending k from zero, and leaves add up in ascending order from zero. So an element's bits depend on its row of x and
// its row of w alone, not on the number of rows, the tile, or which of the two kernels ran (batch_invariant).
// k and the strides are multiples of pack_size<T>; what is missing of a tile counts as zeros, which changes no sum.
#pragma once
#include "verbatim/kernel/values.hpp"

namespace verbatim::kernel {

/// Of k. Long enough that adding leaves costs little and partial sums are few, short enough that k = 4096 keeps eight blocks (or threads)
/// of an output busy.
inline constexpr int linear_leaf = 512;

/// Out is T, or float for logits.
template <class T, class Out = T> struct linear_params {
  global<T const> x;          ///< [rows, k]
  global<T const> w;          ///< [outputs, k]
  global<float const> bias;   ///< [outputs], or empty
  global<Out> y;              ///< [rows, outputs]
  int rows, outputs, k;
};

template <class Grid, class T, class Out> VERBATIM_KERNEL void store_output(Grid g, linear_params<T, Out> const& p, int row, int output, float v) {
  if (p.bias.size > 0) v = sum(v, g.load(p.bias, output));
  g.store(p.y, std::size_t(row) * std::size_t(p.outputs) + std::size_t(output), from_float<Out>(v));
}

/// Few rows: a block has 16 outputs and up to Rows rows. A thread has one output's leaf out of eight that are under way, so all
/// of a block's loads are runs of 128 bytes, staged through shared memory. Reads w once per Rows rows; the floor is w's bytes.
template <class T, class Out, int Rows> struct skinny_linear : linear_params<T, Out> {};

struct skinny_tile {
  static constexpr int outputs = 16, leaves = 8, threads = outputs * leaves, run_bytes = 128, padded_bytes = run_bytes + 16;
};
template <class T, class Out, int Rows> constexpr launch_shape shape_of(skinny_linear<T, Out, Rows> const& p) {
  using t = skinny_tile;
  return {.x = blocks_for(p.outputs, t::outputs), .y = blocks_for(p.rows, Rows), .threads = t::threads,
          .shared = (t::outputs + Rows) * t::leaves * t::padded_bytes + Rows * t::outputs * (t::leaves + 1) * 4};
}

template <class Grid, class T, class Out, int Rows> VERBATIM_KERNEL void run(Grid g, skinny_linear<T, Out, Rows> const& p) {
  using tile = skinny_tile;
  constexpr int n = pack_size<T>, run = tile::run_bytes / int(sizeof(T)), packs = run / n, pitch = tile::padded_bytes / int(sizeof(T));
  constexpr int w_runs = tile::outputs * tile::leaves, runs = w_runs + Rows * tile::leaves;
  auto const staged = g.template shared<T>({0, runs * pitch});   // runs of w, then of x, each padded against bank conflicts
  auto const partial = g.template shared<float>({runs * tile::padded_bytes, Rows * tile::outputs * (tile::leaves + 1)});
  int const first_output = g.block_x() * tile::outputs, first_row = g.block_y() * Rows;
  int const output = g.thread() / tile::leaves, leaf = g.thread() % tile::leaves;
  float total = 0;   // of row thread / outputs, output thread % outputs
  for (int base = 0; base < p.k; base += tile::leaves * linear_leaf) {
    float chain[Rows] = {};
    for (int within = 0; within < linear_leaf; within += run) {
      for (int i = g.thread(); i < runs * packs; i += tile::threads) {
        int const r = i / packs, at = base + r % tile::leaves * linear_leaf + within + i % packs * n;
        bool const of_w = r < w_runs;
        int const line = of_w ? first_output + r / tile::leaves : first_row + (r - w_runs) / tile::leaves;
        full_pack<T> v{};
        if (at < p.k && line < (of_w ? p.outputs : p.rows)) v = g.template load_pack<n>(of_w ? p.w : p.x, std::size_t(line) * std::size_t(p.k) + std::size_t(at));
        staged.store_pack(r * pitch + i % packs * n, v);
      }
      g.sync();
      for (int i = 0; i < packs; ++i) {
        auto const w = staged.template load_pack<n>(g.thread() * pitch + i * n);
        for (int r = 0; r < Rows; ++r) {
          auto const x = staged.template load_pack<n>((w_runs + r * tile::leaves + leaf) * pitch + i * n);
          for (int j = 0; j < n; ++j) chain[r] = math::fma(to_float(w.value[j]), to_float(x.value[j]), chain[r]);
        }
      }
      g.sync();
    }
    for (int r = 0; r < Rows; ++r) partial.store((r * tile::outputs + output) * (tile::leaves + 1) + leaf, chain[r]);
    g.sync();
    if (g.thread() < Rows * tile::outputs)
      for (int l = 0; l < tile::leaves; ++l) total = sum(total, partial.load(g.thread() * (tile::leaves + 1) + l));
    // The next partial sums are written two barriers later.
  }
  int const row = first_row + g.thread() / tile::outputs, column = first_output + g.thread() % tile::outputs;
  if (g.thread() < Rows * tile::outputs && row < p.rows && column < p.outputs) store_output<Grid, T, Out>(g, p, row, column, total);
}

/// Many rows: a block has 64 rows and 64 outputs, a thread 4 by 4 of them, 32 of k at a time through shared memory. The floor is
/// arithmetic; plain fma reaches a fraction of it, tensor cores need leaves of their own.
template <class T, class Out> struct tiled_linear : linear_params<T, Out> {};

struct linear_tile {
  static constexpr int rows = 64, outputs = 64, k = 32, threads = 256, each = 4, pitch = rows + 4;
};
template <class T, class Out> constexpr launch_shape shape_of(tiled_linear<T, Out> const& p) {
  using t = linear_tile;
  return {.x = blocks_for(p.outputs, t::outputs), .y = blocks_for(p.rows, t::rows), .threads = t::threads, .shared = 2 * t::k * t::pitch * 4};
}

template <class Grid, class T, class Out> VERBATIM_KERNEL void run(Grid g, tiled_linear<T, Out> const& p) {
  using tile = linear_tile;
  constexpr int n = pack_size<T>, packs = tile::k / n, each = tile::each;
  auto const xs = g.template shared<float>({0, tile::k * tile::pitch});   // [k][rows], as f32: widened once, not per product
  auto const ws = g.template shared<float>({tile::k * tile::pitch * 4, tile::k * tile::pitch});
  int const first_output = g.block_x() * tile::outputs, first_row = g.block_y() * tile::rows;
  int const my_row = g.thread() / 16 * each, my_output = g.thread() % 16 * each;
  float total[each][each] = {}, chain[each][each] = {};
  for (int base = 0; base < p.k; base += tile::k) {
    for (int i = g.thread(); i < 2 * tile::rows * packs; i += tile::threads) {
      bool const of_w = i >= tile::rows * packs;
      int const line = i / packs % tile::rows, at = base + i % packs * n, from = (of_w ? first_output : first_row) + line;
      full_pack<T> v{};
      if (at < p.k && from < (of_w ? p.outputs : p.rows)) v = g.template load_pack<n>(of_w ? p.w : p.x, std::size_t(from) * std::size_t(p.k) + std::size_t(at));
      for (int j = 0; j < n; ++j) (of_w ? ws : xs).store((i % packs * n + j) * tile::pitch + line, to_float(v.value[j]));
    }
    g.sync();
    for (int k = 0; k < tile::k; ++k) {
      auto const x = xs.template load_pack<each>(k * tile::pitch + my_row);
      auto const w = ws.template load_pack<each>(k * tile::pitch + my_output);
      for (int r = 0; r < each; ++r)
        for (int c = 0; c < each; ++c) chain[r][c] = math::fma(w.value[c], x.value[r], chain[r][c]);
    }
    if ((base + tile::k) % linear_leaf == 0 || base + tile::k >= p.k)
      for (int r = 0; r < each; ++r)
        for (int c = 0; c < each; ++c) total[r][c] = sum(total[r][c], chain[r][c]), chain[r][c] = 0;
    g.sync();
  }
  for (int r = 0; r < each; ++r)
    for (int c = 0; c < each; ++c)
      if (first_row + my_row + r < p.rows && first_output + my_output + c < p.outputs)
        store_output<Grid, T, Out>(g, p, first_row + my_row + r, first_output + my_output + c, total[r][c]);
}

}  // namespace verbatim::kernel
