// Matrices of bf16 in the order in which a warpgroup multiplies them: atoms of 8 rows by 64 of k, 1 KiB each, swizzled by 128 bytes
// (simt/sm90.hpp). Weights are tiles of 64 outputs by 64 of k, 8 KiB, all k of a tile's outputs in sequence; activations have all
// groups of eight rows of one run of k in sequence, so that a tile of any number of rows is one contiguous piece. What is missing
// of an atom counts as zeros in weights, which change no sum; rows that are not there may hold anything.
// Bodies here copy to and from rows; kernels that make activations for a product store them here themselves (activations.hpp).
// Cost: every byte read and written once; the floor is bandwidth.
#pragma once
#include "verbatim/kernel/input_token.hpp"
#include "verbatim/kernel/values.hpp"
#include "verbatim/simt/sm90.hpp"

namespace verbatim::kernel::sm90 {

inline constexpr int tile_k = simt::swizzle_row_bytes / 2, tile_outputs = 64, group_rows = simt::swizzle_rows;
inline constexpr int atom_packs = group_rows * tile_k / pack_size<bf16>, row_packs = tile_k / pack_size<bf16>;
inline constexpr int weight_tile = tile_outputs * tile_k, activation_group = group_rows * tile_k;   // elements

VERBATIM_HD constexpr int k_tiles(int k) { return blocks_for(k, tile_k); }

/// Where in an atom 8 elements of k lie: the chunk of its row that the swizzle of the address gives, in packs.
VERBATIM_HD constexpr int atom_pack(int row, int k) {
  return int(simt::swizzled(std::uint32_t(row % group_rows * simt::swizzle_row_bytes + k % tile_k * 2))) / 16;
}
/// Packs of 8 elements: where [output, k .. k + 8) of weights lies, and [row, k .. k + 8) of activations with `groups` groups of rows.
VERBATIM_HD constexpr std::size_t weight_pack(int output, int k, int depth) {
  std::size_t const tile = std::size_t(output / tile_outputs) * std::size_t(k_tiles(depth)) + std::size_t(k / tile_k);
  return tile * (weight_tile / pack_size<bf16>) + std::size_t(output % tile_outputs / group_rows * atom_packs + atom_pack(output, k));
}
VERBATIM_HD constexpr std::size_t activation_pack(int row, int k, int groups) {
  return (std::size_t(k / tile_k) * std::size_t(groups) + std::size_t(row / group_rows)) * atom_packs + std::size_t(atom_pack(row, k));
}

/// Two parts of weights, a gate and what it gates, may alternate in groups of eight outputs: then a thread of a product has both of what it
/// multiplies. The output that row `row` of part `part` is; part -1: of rows that lie one behind the other.
VERBATIM_HD constexpr int output_of(int row, int part) { return part < 0 ? row : (row / group_rows * 2 + part) * group_rows + row % group_rows; }
/// Where outputs of parts that alternate belong: the part, and the row of it.
VERBATIM_HD constexpr int part_of(int output) { return output / group_rows % 2; }
VERBATIM_HD constexpr int row_of(int output) { return output / (2 * group_rows) * group_rows + output % group_rows; }

/// Elements that tiles of a matrix take.
VERBATIM_HD constexpr std::size_t weight_elements(int outputs, int k) { return std::size_t(blocks_for(outputs, tile_outputs)) * std::size_t(k_tiles(k)) * weight_tile; }
constexpr std::size_t activation_elements(int groups, int k) { return std::size_t(k_tiles(k)) * std::size_t(groups) * activation_group; }
/// Groups of rows that tiles of `each` rows read.
constexpr int groups_for(int rows, int each) { return blocks_for(rows, each) * each / group_rows; }

/// Where the bodies below take and put: [rows, k] in rows, or in tiles. k is a multiple of 8.
struct tiles_params {
  global<bf16 const> from;
  global<bf16> to;
  int rows, k;
};
struct tile_weights : tiles_params {
  int first = 0;    ///< the output that row 0 is, or, with a part, its row of that. Only rows of `from` are written, so what else a tile holds must be zeros, or come too
  int part = -1;    ///< of two that alternate
};
struct untile_weights : tile_weights {};
struct tile_activations : tiles_params {
  int groups;
};

inline constexpr int tiles_threads = 256;

constexpr launch_shape shape_of(tile_weights const& p) { return {.x = k_tiles(p.k), .y = blocks_for(p.rows, tile_outputs), .threads = tiles_threads}; }
constexpr launch_shape shape_of(untile_weights const& p) { return {.x = k_tiles(p.k), .y = blocks_for(p.rows, tile_outputs), .threads = tiles_threads}; }
constexpr launch_shape shape_of(tile_activations const& p) { return {.x = k_tiles(p.k), .y = blocks_for(p.groups, tile_outputs / group_rows), .threads = tiles_threads}; }

/// A block has 64 rows by 64 of k, a thread two packs of them; eight threads a row, so reads are runs of 128 bytes.
template <class Grid> VERBATIM_KERNEL void run(Grid g, tile_weights const& p) {
  for (int i = g.thread(); i < tile_outputs * row_packs; i += tiles_threads) {
    int const row = g.block_y() * tile_outputs + i / row_packs, k = g.block_x() * tile_k + i % row_packs * pack_size<bf16>;
    if (row >= p.rows || k >= p.k) continue;
    auto const v = g.template load_pack<pack_size<bf16>>(p.from, std::size_t(row) * std::size_t(p.k) + std::size_t(k));
    g.store_pack(p.to, weight_pack(output_of(p.first + row, p.part), k, p.k) * pack_size<bf16>, v);
  }
}
template <class Grid> VERBATIM_KERNEL void run(Grid g, untile_weights const& p) {
  for (int i = g.thread(); i < tile_outputs * row_packs; i += tiles_threads) {
    int const row = g.block_y() * tile_outputs + i / row_packs, k = g.block_x() * tile_k + i % row_packs * pack_size<bf16>;
    if (row >= p.rows || k >= p.k) continue;
    auto const v = g.template load_pack<pack_size<bf16>>(p.from, weight_pack(output_of(p.first + row, p.part), k, p.k) * pack_size<bf16>);
    g.store_pack(p.to, std::size_t(row) * std::size_t(p.k) + std::size_t(k), v);
  }
}

/// y[row] = the table's row ids[row], out of tiles. An id outside the table gives zeros.
struct tiled_embedding {
  global<bf16 const> table;
  global<token const> ids;
  global<bf16> y;   ///< [rows, k]
  int rows, k, vocabulary;
  global<sampling_result const> sampled = {};   ///< what negative ids speak of: see input_token
};
constexpr launch_shape shape_of(tiled_embedding const& p) { return {.x = p.rows, .threads = 128}; }
template <class Grid> VERBATIM_KERNEL void run(Grid g, tiled_embedding const& p) {
  token const id = input_token(g, p.ids, p.sampled);
  for (int k = g.thread() * pack_size<bf16>; k < p.k; k += 128 * pack_size<bf16>) {
    full_pack<bf16> v{};
    if (id >= 0 && id < p.vocabulary) v = g.template load_pack<pack_size<bf16>>(p.table, weight_pack(id, k, p.k) * pack_size<bf16>);
    g.store_pack(p.y, std::size_t(g.block_x()) * std::size_t(p.k) + std::size_t(k), v);
  }
}

/// Rows that are not there become zeros.
template <class Grid> VERBATIM_KERNEL void run(Grid g, tile_activations const& p) {
  for (int i = g.thread(); i < tile_outputs * row_packs; i += tiles_threads) {
    int const row = g.block_y() * tile_outputs + i / row_packs, k = g.block_x() * tile_k + i % row_packs * pack_size<bf16>;
    if (row >= p.groups * group_rows) continue;
    full_pack<bf16> v{};
    if (row < p.rows && k < p.k) v = g.template load_pack<pack_size<bf16>>(p.from, std::size_t(row) * std::size_t(p.k) + std::size_t(k));
    g.store_pack(p.to, activation_pack(row, k, p.groups) * pack_size<bf16>, v);
  }
}

}  // namespace verbatim::kernel::sm90
