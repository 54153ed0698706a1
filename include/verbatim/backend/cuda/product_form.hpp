// Which tiles a product on Hopper's tensor cores takes, and among how many blocks its leaves of k are cut. A matter of speed alone: every form
// gives the same bits (kernel/sm90/linear.hpp; tests/kernel/product_forms.cpp), and a form follows from the product's numbers.
// Up to 32 rows a tile has room for all rows, weights are what is read, and leaves are cut so that each multiprocessor has two blocks. Beyond,
// blocks share operands through the second-level cache, and the form is the one whose busiest multiprocessor brings in the fewest bytes, where
// a launch that merges counts as what is brought in meanwhile. An estimate: no constant here was measured.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "verbatim/kernel/sm90/linear.hpp"

namespace verbatim::cuda {

struct product_size {
  int rows, outputs, k;
};
/// A block's tile is `rows` rows by 64 outputs for each of `groups` warpgroups.
struct product_form {
  int rows, groups;
  int leaves_each = 0;   ///< of a block; 0: all, and nothing is merged
  friend constexpr bool operator==(product_form const&, product_form const&) = default;
};

/// Tiles that kernels are compiled for, by their bytes of a step (kernels_sm90.cuh, kernels_sm90_wide.cuh).
inline constexpr product_form product_tiles[] = {{8, 1}, {16, 1}, {32, 1}, {64, 1}, {64, 2}, {128, 1}, {128, 2}};
/// Calls f.template operator()<rows, groups>() for the tile of a form, which is one of product_tiles.
template <class F> decltype(auto) with_tile(product_form const& form, F&& f) {
  switch (form.rows * form.groups) {
    case 8: return f.template operator()<8, 1>();
    case 16: return f.template operator()<16, 1>();
    case 32: return f.template operator()<32, 1>();
    case 64: return f.template operator()<64, 1>();
    case 128: return form.groups == 2 ? f.template operator()<64, 2>() : f.template operator()<128, 1>();
    default: return f.template operator()<128, 2>();
  }
}

struct product_policy {
  static constexpr int few_rows = 32;
  /// What a multiprocessor brings in while a launch starts: 1.3 us at 7 TB/s of the second-level cache for all of them.
  static constexpr std::int64_t launch_bytes = 64 * 1024;
  /// Of the sums that wait for a merge, beyond few rows: they should not leave the second-level cache, of 50 MB.
  static constexpr std::int64_t most_partial_bytes = 40 * 1024 * 1024;
};

/// Rows that activations in tiles are filled up to: of every form that a product of so many rows may have.
constexpr int padded_rows(int rows) {
  int const each = rows <= 8 ? 8 : rows <= 16 ? 16 : rows <= 32 ? 32 : rows <= 64 ? 64 : 128;
  return kernel::blocks_for(rows, each) * each;
}
constexpr int tile_columns(int outputs, int groups) { return kernel::blocks_for(outputs, groups * kernel::sm90::tile_outputs); }
/// Blocks that have all of k.
constexpr std::int64_t whole_blocks(product_size const& s, product_form const& f) {
  return std::int64_t(kernel::blocks_for(s.rows, f.rows)) * tile_columns(s.outputs, f.groups);
}
/// Blocks that a leaf's product is computed by, or several leaves'.
constexpr int parts_of(int k, product_form const& f) { return f.leaves_each > 0 ? kernel::blocks_for(kernel::sm90::leaves_of(k), f.leaves_each) : 1; }
constexpr std::int64_t blocks_of(product_size const& s, product_form const& f) { return whole_blocks(s, f) * parts_of(s.k, f); }

/// Of blocks that take all of k: how many leaves each should have so that a GPU's processors have two blocks each, or 0 for all.
constexpr int leaves_each_for(std::int64_t blocks, int k, int processors) {
  int const leaves = kernel::sm90::leaves_of(k), b = int(std::min<std::int64_t>(blocks, processors)), parts = kernel::blocks_for(2 * processors, b);
  if (b == processors || leaves == 1) return 0;
  return parts >= leaves ? 1 : kernel::blocks_for(leaves, parts);
}
/// Whether leaves may be cut among blocks: only where some processors would have none, and sums have room.
constexpr bool may_cut(product_size const& s, product_form const& f, int processors) {
  int const leaves = kernel::sm90::leaves_of(s.k);
  if (leaves == 1 || whole_blocks(s, f) >= processors) return false;
  return s.rows <= product_policy::few_rows || std::int64_t(leaves) * s.rows * s.outputs * 4 <= product_policy::most_partial_bytes;
}

/// Bytes that the busiest multiprocessor brings in: tiles of both operands for all of its blocks, and its share of sums that are stored and
/// merged, with a launch.
constexpr std::int64_t product_bytes(product_size const& s, product_form const& f, int processors) {
  using namespace kernel::sm90;
  std::int64_t const turns = (blocks_of(s, f) + processors - 1) / processors, all = k_tiles(s.k);
  std::int64_t const steps = f.leaves_each > 0 ? std::min<std::int64_t>(std::int64_t(f.leaves_each) * leaf_tiles, all) : all;
  std::int64_t const whole = turns * steps * (f.groups * weight_tile + f.rows * tile_k) * 2;
  if (f.leaves_each == 0) return whole;
  return whole + product_policy::launch_bytes + std::int64_t(leaves_of(s.k)) * s.rows * s.outputs * 8 / processors;
}

/// What comes behind `each`, in descending order, of the numbers of leaves that a block has where all are cut into parts; 0 behind 1.
constexpr int next_fewer(int leaves, int each) { return each > 1 ? kernel::blocks_for(leaves, kernel::blocks_for(leaves, each - 1)) : 0; }

/// Cost: up to four tiles times twice the square root of the leaves are estimated, a tenth of a microsecond a product; none up to few rows.
constexpr product_form product_form_for(product_size const& s, int processors) {
  if (s.rows == 0) return product_tiles[0];   // of nothing, nothing is cut
  int const padded = padded_rows(s.rows), leaves = kernel::sm90::leaves_of(s.k);
  if (padded <= product_policy::few_rows) {
    product_form const few{padded, 1};
    return {padded, 1, leaves_each_for(whole_blocks(s, few), s.k, processors)};
  }
  product_form best{64, 1};
  std::int64_t fewest = product_bytes(s, best, processors);
  for (product_form f : product_tiles) {
    if (f.rows <= product_policy::few_rows || f.rows > padded) continue;
    for (int each = leaves, least = may_cut(s, f, processors) ? 1 : leaves; each >= least; each = next_fewer(leaves, each)) {
      f.leaves_each = each < leaves ? each : 0;
      if (std::int64_t const bytes = product_bytes(s, f, processors); bytes <= fewest) best = f, fewest = bytes;   // of equals: larger tiles, then more blocks
    }
  }
  return best;
}

/// Partial sums of a product of any number of rows up to `most_rows`, in elements.
constexpr std::size_t product_partials(int outputs, int k, int most_rows, int processors) {
  std::int64_t const row = std::int64_t(kernel::sm90::leaves_of(k)) * outputs;
  std::int64_t most = 0;
  if (kernel::sm90::leaves_of(k) == 1) return 0;
  for (product_form const& f : product_tiles) {
    std::int64_t const lines = (processors - 1) / tile_columns(outputs, f.groups);   // of tiles, that leave a processor without a block
    bool const few = f.rows <= product_policy::few_rows;
    std::int64_t const rows = few ? std::min<std::int64_t>(lines, 1) * f.rows : std::min(lines * f.rows, product_policy::most_partial_bytes / 4 / row);
    most = std::max(most, rows);
  }
  return std::size_t(std::min<std::int64_t>(most, most_rows) * row);
}

}  // namespace verbatim::cuda
