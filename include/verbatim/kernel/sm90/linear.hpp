// y = T(x w^T + bias), or T(residual + T(x w^T + bias)), or the SiLU gate of two parts of it, on Hopper's tensor cores. Weights are the
// operand of 64 rows and activations the other one, so one family of kernels serves 1 row and thousands. k is cut into leaves of
// `linear_leaf`; each is accumulated from zero, 16 of k at a time in ascending order, and leaves add up in f32 in ascending order from
// zero, in one block or when merged (merge.hpp).
// Guarantee: an element's bits depend on its row of x and its row of w alone (batch_invariant), provided that the hardware's sum of a
// product of 64 by N by 16 does not depend on N and the column; on a CPU that holds by construction, on a GPU it is to be tested.
// Both operands come as tiles (tiles.hpp) by one kind of copy, contiguous, that tells a barrier: no tensor map and no store into what
// products read, so nothing depends on a driver's encoding or on a fence in the loop. Not persistent: blocks are many and start with
// weights, which they fetch before the launch before has ended. Few rows: the floor is the bytes of w. Many: arithmetic.
#pragma once
#include <utility>

#include "verbatim/kernel/activations.hpp"
#include "verbatim/kernel/linear.hpp"
#include "verbatim/kernel/rowwise.hpp"

namespace verbatim::kernel::sm90 {

using simt::barrier;
using simt::eviction;
using simt::origin;
using verbatim::kernel::linear_leaf;   // of k: also what the fma kernels have

inline constexpr int leaf_tiles = linear_leaf / tile_k;

/// What is stored of weights whose two parts alternate (tiles.hpp): the parts one behind the other, or the one gated by the other, in
/// [rows, outputs / 2] or tiles. `none`: they have no such parts.
enum class pairing { none, apart, gated };

template <class Out> struct linear_params {
  global<bf16 const> x;        ///< tiles, `groups` groups of rows
  global<bf16 const> w;        ///< tiles
  global<float const> bias;    ///< [outputs], or empty
  global<Out const> residual;  ///< [rows, outputs], or empty; may be y
  global<Out> y;               ///< [rows, outputs]
  global<float> partial;       ///< [leaves, rows, outputs] if leaves_each > 0
  int rows, outputs, k, groups;
  int leaves_each;             ///< of a block; 0: all of them, and no merge
  pairing pairs = pairing::none;
  int y_groups = 0;            ///< of tiles, of what is gated (activations.hpp)
};

VERBATIM_HD constexpr int leaves_of(int k) { return blocks_for(k, linear_leaf); }

/// Logits are not gated, which compilers are told.
template <class Out> VERBATIM_HD constexpr bool gates(linear_params<Out> const& p) { return sizeof(Out) == 2 && p.pairs == pairing::gated; }

/// The column of the result that an output is.
template <class Out> VERBATIM_HD constexpr int column_of(linear_params<Out> const& p, int output) {
  return p.pairs == pairing::none ? output : part_of(output) * (p.outputs / 2) + row_of(output);
}
/// What is added to the sum of an output, and what its result is added to. Nothing is read of what is not there.
template <class Grid, class Out> VERBATIM_KERNEL float bias_of(Grid g, linear_params<Out> const& p, int output) {
  return p.bias.size > 0 && output < p.outputs ? g.load(p.bias, column_of(p, output)) : 0.0f;
}
template <class Grid, class Out> VERBATIM_KERNEL Out residual_of(Grid g, linear_params<Out> const& p, int row, int output) {
  return p.residual.size > 0 && output < p.outputs ? g.load(p.residual, std::size_t(row) * std::size_t(p.outputs) + std::size_t(column_of(p, output))) : Out{};
}
/// What becomes of a sum over all of k, given these two.
template <class Out> VERBATIM_KERNEL Out finished(linear_params<Out> const& p, float v, float bias, Out residual) {
  if (p.bias.size > 0) v = sum(v, bias);
  if (p.residual.size > 0) v = sum(to_float(residual), rounded_to<Out>(v));
  return from_float<Out>(v);
}
template <class Grid, class Out> VERBATIM_KERNEL Out finished(Grid g, linear_params<Out> const& p, int row, int output, float v) {
  return finished<Out>(p, v, bias_of<Grid, Out>(g, p, output), residual_of<Grid, Out>(g, p, row, output));
}
template <class Grid, class Out> VERBATIM_KERNEL void store_finished(Grid g, linear_params<Out> const& p, int row, int output, Out v) {
  if (output < p.outputs) g.store(p.y, std::size_t(row) * std::size_t(p.outputs) + std::size_t(column_of(p, output)), v);
}
/// The same of a gate, which `output` is, and of what it gates. All outputs of the last tile come here, also those that are not there:
/// what they would be is zeros, which fill a tile of activations up.
template <class Grid, class Out> VERBATIM_KERNEL void finish_gated(Grid g, linear_params<Out> const& p, int row, int output, float gate, float up) {
  int const column = row_of(output), width = p.outputs / 2, stored = stored_columns(width, p.y_groups);
  Out v{};
  if (column < width) v = gated(finished<Grid, Out>(g, p, row, output, gate), finished<Grid, Out>(g, p, row, output + group_rows, up));
  if (column < stored) g.store(p.y, activation_at<Out>(row, column, width, p.y_groups), v);
  constexpr int each = tile_outputs / 2;   // columns of a tile of weights: half of those of a tile of activations
  if (column + each >= width && column / each % 2 == 0 && column + each < stored) g.store(p.y, activation_at<Out>(row, column + each, width, p.y_groups), Out{});
}

template <int Rows, int Groups> struct linear_tile {
  static_assert(Rows % group_rows == 0 && Rows >= 8 && Rows <= 128 && Groups >= 1 && Groups <= 2);
  /// Sums and leaf take Rows floats of a thread. Two warpgroups and one that copies have 3 * 168 registers to share.
  static constexpr bool shares = Groups > 1;
  static constexpr int own_registers = 40, registers = 232;
  static constexpr int multipliers = Groups * simt::warpgroup_threads, threads = multipliers + (shares ? simt::warpgroup_threads : warp_lanes);
  static constexpr int w_bytes = weight_tile * 2, x_bytes = Rows * simt::swizzle_row_bytes, stage_bytes = Groups * w_bytes + x_bytes;
  /// Blocks with one warpgroup leave room for a second and third one on their processor.
  static constexpr int budget = shares ? 200 * 1024 : 96 * 1024, stages = budget / stage_bytes < 8 ? budget / stage_bytes : 8;
  static constexpr int barriers_at = stages * stage_bytes, shared = barriers_at + 2 * stages * 8;

  VERBATIM_KERNEL static constexpr int stage(int s) { return s * stage_bytes; }
  VERBATIM_KERNEL static constexpr int x_at(int s) { return stage(s) + Groups * w_bytes; }
  VERBATIM_KERNEL static constexpr barrier full(int s) { return {barriers_at + s * 8}; }
  VERBATIM_KERNEL static constexpr barrier empty(int s) { return {barriers_at + (stages + s) * 8}; }
};

/// Rows: of a block, 8 to 128 (256 would take more registers than there are: a thread keeps a leaf and a sum). Groups: warpgroups
/// that multiply, 64 outputs each, which share the rows.
template <class Out, int Rows, int Groups = 1> struct linear : linear_params<Out> {
  static constexpr int block_threads = linear_tile<Rows, Groups>::threads;
  static constexpr bool needs_sm90 = true;
};

template <class Out, int Rows, int Groups> constexpr launch_shape shape_of(linear<Out, Rows, Groups> const& p) {
  using tile = linear_tile<Rows, Groups>;
  return {.x = blocks_for(p.outputs, Groups * tile_outputs) * blocks_for(p.rows, Rows), .z = p.leaves_each > 0 ? blocks_for(leaves_of(p.k), p.leaves_each) : 1,
          .threads = tile::threads, .shared = tile::shared};
}

/// A block's part: which tiles of outputs, rows and leaves. Eight tiles of rows go along with the same outputs, so that blocks that run
/// together share both operands in the second-level cache.
struct linear_work {
  int row, output_tile, tiles, first_leaf, leaves, first_k, steps;
};
template <int Rows, int Groups, class Grid, class Out> VERBATIM_KERNEL linear_work work_of(Grid g, linear_params<Out> const& p) {
  constexpr int together = 8;
  int const output_tiles = blocks_for(p.outputs, tile_outputs), columns = blocks_for(output_tiles, Groups), lines = blocks_for(p.rows, Rows);
  int const band = g.block_x() / (together * columns), left = lines - band * together, height = left < together ? left : together;
  int const within = g.block_x() % (together * columns), tile = within / height * Groups;
  int const leaves = leaves_of(p.k), first = g.block_z() * p.leaves_each, most = p.leaves_each > 0 ? p.leaves_each : leaves;
  int const mine = leaves - first < most ? leaves - first : most, end = (first + mine) * leaf_tiles, all = k_tiles(p.k);
  return {(band * together + within % height) * Rows, tile, output_tiles - tile < Groups ? output_tiles - tile : Groups, first, mine,
          first * leaf_tiles, (end < all ? end : all) - first * leaf_tiles};
}

/// One thread asks for all copies. A stage is filled again when all warps that multiply have let go of it.
template <class Grid, class Out, int Rows, int Groups>
VERBATIM_KERNEL void fill_stages(Grid g, linear<Out, Rows, Groups> const& p, linear_work const& work) {
  using tile = linear_tile<Rows, Groups>;
  // Weights are read once unless several tiles of rows need them; rows, by all outputs.
  eviction const keep = p.rows > Rows ? eviction::normal : eviction::first;
  auto const ask_weights = [&](int i, int s) {
    g.arrive_expect(tile::full(s), work.tiles * tile::w_bytes + tile::x_bytes);
    for (int t = 0; t < work.tiles; ++t) {
      std::size_t const from = std::size_t(work.output_tile + t) * std::size_t(k_tiles(p.k)) + std::size_t(work.first_k + i);
      g.copy_bulk(tile::stage(s) + t * tile::w_bytes, p.w, from * weight_tile, weight_tile, tile::full(s), keep, origin::settled);
    }
  };
  auto const ask_rows = [&](int i, int s) {
    std::size_t const from = std::size_t(work.first_k + i) * std::size_t(p.groups) + std::size_t(work.row / group_rows);
    g.copy_bulk(tile::x_at(s), p.x, from * activation_group, Rows * tile_k, tile::full(s), eviction::last, origin::dependent);
  };
  int const ahead = work.steps < tile::stages ? work.steps : tile::stages;
  for (int i = 0; i < ahead; ++i) ask_weights(i, i);
  g.dependency_wait();
  for (int i = 0; i < ahead; ++i) ask_rows(i, i);
  for (int i = ahead; i < work.steps; ++i) {
    int const s = i % tile::stages;
    g.wait(tile::empty(s), (i / tile::stages - 1) & 1);
    ask_weights(i, s);
    ask_rows(i, s);
  }
}

/// f of 0 .. Count - 1 as constants, so that what they index stays in registers.
template <int Count, class F> VERBATIM_KERNEL void unrolled(F&& f) {
  [&]<int... Number>(std::integer_sequence<int, Number...>) { (f(Number), ...); }(std::make_integer_sequence<int, Count>{});
}

/// What a thread has of a tile's sums becomes results. y may be the residual, so no compiler moves a load of it over a store, and one by one each
/// would wait for memory: a thread asks for all that it adds to, or half of it, before it stores.
template <class Grid, class Out, int Rows>
VERBATIM_KERNEL void store_tile(Grid g, linear_params<Out> const& p, int first_row, int first_output, float const (&total)[Rows / 2]) {
  auto const element = [&](int e) { return simt::accumulator_element(g.thread(), e); };
  auto const row_of_element = [&](int e) { return first_row + element(e).column; };
  int const outputs[2] = {first_output + element(0).row, first_output + element(2).row};   // a thread has two, of elements 0, 1, 4, 5 ... and of 2, 3, 6, 7 ...
  if (gates(p))
    return unrolled<Rows / 2>([&](int e) {   // a gate's other part is eight outputs on
      if (row_of_element(e) < p.rows && e / 2 % 2 == 0) finish_gated<Grid, Out>(g, p, row_of_element(e), outputs[0], total[e], total[e | 2]);
    });
  int const columns[2] = {column_of(p, outputs[0]), column_of(p, outputs[1])};
  float const bias[2] = {bias_of<Grid, Out>(g, p, outputs[0]), bias_of<Grid, Out>(g, p, outputs[1])};
  auto const there = [&](int e) { return row_of_element(e) < p.rows && outputs[e / 2 % 2] < p.outputs; };
  auto const place_of = [&](int e) { return std::size_t(row_of_element(e)) * std::size_t(p.outputs) + std::size_t(columns[e / 2 % 2]); };
  constexpr int at_once = Rows / 2 < 32 ? Rows / 2 : 32;
  static_assert(Rows / 2 % at_once == 0);
  unrolled<Rows / 2 / at_once>([&](int part) {
    Out residual[at_once] = {};
    if (p.residual.size > 0)
      unrolled<at_once>([&](int i) { if (int const e = part * at_once + i; there(e)) residual[i] = g.load(p.residual, place_of(e)); });
    unrolled<at_once>([&](int i) {
      if (int const e = part * at_once + i; there(e)) g.store(p.y, place_of(e), finished<Out>(p, total[e], bias[e / 2 % 2], residual[i]));
    });
  });
}

/// A warpgroup's 64 outputs. Products of a step run while the next one is waited for; a stage is let go one step late.
template <class Grid, class Out, int Rows, int Groups>
VERBATIM_KERNEL void multiply_stages(Grid g, linear<Out, Rows, Groups> const& p, linear_work const& work, int mine) {
  using tile = linear_tile<Rows, Groups>;
  typename Grid::template accumulator<Rows> leaf;
  float total[Rows / 2] = {};
  auto const let_go = [&](int i) { if (g.thread() % warp_lanes == 0) g.arrive(tile::empty(i % tile::stages)); };
  int const first_output = (work.output_tile + mine) * tile_outputs;
  for (int l = 0, i = 0; l < work.leaves; ++l) {
    int const left = work.steps - l * leaf_tiles, steps = left < leaf_tiles ? left : leaf_tiles;
    for (int step = 0; step < steps; ++step, ++i) {
      int const s = i % tile::stages;
      g.wait(tile::full(s), i / tile::stages & 1);
      std::uint64_t const w = g.descriptor(tile::stage(s) + mine * tile::w_bytes), x = g.descriptor(tile::x_at(s));
      g.mma_fence();
      for (int k = 0; k < tile_k / simt::mma_k; ++k)   // 32 bytes on, in units of 16
        g.multiply(leaf, w + std::uint64_t(2 * k), x + std::uint64_t(2 * k), step > 0 || k > 0);
      g.mma_commit();
      if (step > 0) {
        g.template mma_wait<1>(leaf);
        let_go(i - 1);
      }
    }
    g.template mma_wait<0>(leaf);
    let_go(i - 1);
    if (p.leaves_each == 0) {
      unrolled<Rows / 2>([&](int e) { total[e] = sum(total[e], leaf.get(e)); });
      continue;
    }
    unrolled<Rows / 2>([&](int e) {
      auto const at = simt::accumulator_element(g.thread(), e);
      int const row = work.row + at.column, output = first_output + at.row;
      std::size_t const line = std::size_t(work.first_leaf + l) * std::size_t(p.rows) + std::size_t(row);
      if (row < p.rows && output < p.outputs) g.store(p.partial, line * std::size_t(p.outputs) + std::size_t(output), leaf.get(e));
    });
  }
  if (p.leaves_each == 0) store_tile<Grid, Out, Rows>(g, p, work.row, first_output, total);
}

template <class Grid, class Out, int Rows, int Groups> VERBATIM_KERNEL void run(Grid g, linear<Out, Rows, Groups> const& p) {
  using tile = linear_tile<Rows, Groups>;
  if (g.thread() == 0) {
    int const warps = 4 * work_of<Rows, Groups>(g, p).tiles;   // that multiply
    for (int s = 0; s < tile::stages; ++s) {
      g.barrier_init(tile::full(s), 1);
      g.barrier_init(tile::empty(s), warps);
    }
    g.barrier_init_fence();
  }
  g.sync();
  g.dependents_may_start();
  int const role = g.uniform(g.thread() / simt::warpgroup_threads);
  if (role == Groups) {
    if constexpr (tile::shares) g.template registers_decrease<tile::own_registers>();
    if (g.thread() == tile::multipliers) fill_stages(g, p, work_of<Rows, Groups>(g, p));
  } else {
    if constexpr (tile::shares) g.template registers_increase<tile::registers>();
    g.dependency_wait();
    linear_work const work = work_of<Rows, Groups>(g, p);
    if (role < work.tiles) multiply_stages(g, p, work, role);
  }
}

}  // namespace verbatim::kernel::sm90
