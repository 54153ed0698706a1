// y = x W^T over packed weights. Every output of every row is one chain of mac() in ascending k that starts at zero, in a
// lane of its own: one row or a thousand, any threads, any instruction set, the bits are the same (layout_invariant).
// One row streams the weights at memory bandwidth; more rows run in blocks of `block_of<Isa>::rows`, all of them over one
// panel before the next, so the panel (64 outputs: 112 KiB for 896 bf16 inputs) is read from memory once and then from L2.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "verbatim/backend/cpu/mac.hpp"
#include "verbatim/backend/cpu/pack.hpp"
#include "verbatim/backend/cpu/simd.hpp"
#include "verbatim/backend/ops.hpp"

namespace verbatim::cpu {

/// Accumulators of a block: rows x tiles vectors must fit the registers beside the weights and one broadcast.
template <class Isa> struct block_of { static constexpr int rows = 6, tiles = 4; };   // 24 + 4 + 1 of 32 zmm
template <> struct block_of<avx2> { static constexpr int rows = 2, tiles = 2; };      // 8 + 4 + 2 of 16 ymm
template <> struct block_of<scalar> { static constexpr int rows = 1, tiles = 1; };

inline constexpr int panel_tiles = panel_outputs / tree_lanes;

/// Where a block's weights lie: words from one k step to the next, and from one tile of 16 outputs to the next.
struct weight_strides {
  std::ptrdiff_t step, tile;
};
inline constexpr weight_strides panel_strides{panel_outputs, tree_lanes};

/// Rows x Tiles x 16 outputs, summed over `steps` words. `weights` points at the first tile, row_of(r) is where row r of the
/// activations starts. Calls out(row, tile, vector) for each result.
template <class Isa, class T, int Rows, int Tiles, class RowOf, class Out>
VERBATIM_INLINE void multiply_block(std::uint32_t const* weights, weight_strides stride, int steps, RowOf&& row_of, Out&& out) noexcept {
  using V = vector_of<Isa>;
  V acc[Rows][Tiles];
  T const* row[Rows];
  repeat<Rows>([&](auto r) __attribute__((always_inline)) {
    row[r] = row_of(int(r));
    repeat<Tiles>([&](auto t) __attribute__((always_inline)) { acc[r][t] = V(0.0f); });
  });
  constexpr int word = packed_matrix<T>::word;
  for (std::ptrdiff_t s = 0; s < steps; ++s) {
    V w[Tiles];
    repeat<Tiles>([&](auto t) __attribute__((always_inline)) { w[t] = V::load_words(weights + s * stride.step + t * stride.tile); });
    repeat<Rows>([&](auto r) __attribute__((always_inline)) {
      V const a = V::all_words(load_word(row[r] + s * word));
      repeat<Tiles>([&](auto t) __attribute__((always_inline)) { acc[r][t] = mac<Isa, T>(acc[r][t], w[t], a); });
    });
  }
  repeat<Rows>([&](auto r) __attribute__((always_inline)) {
    repeat<Tiles>([&](auto t) __attribute__((always_inline)) { out(int(r), int(t), acc[r][t]); });
  });
}

/// f(integral_constant count), 1 <= count <= block_of<Isa>::rows: the way from a number of rows to a register block.
template <class Isa, class F> VERBATIM_INLINE void with_rows(int count, F&& f) {
  repeat<block_of<Isa>::rows>([&](auto r) __attribute__((always_inline)) {
    if (count == r + 1) f(std::integral_constant<int, r + 1>{});
  });
}

/// One panel against `count` rows, 1 <= count <= block_of<Isa>::rows, into to[row][64]. The one place where the register
/// blocks are instantiated; what is done with the sums happens outside, on a tile that is still in L1.
template <class Isa, class T>
__attribute__((noinline)) void multiply_rows(std::uint32_t const* panel, int steps, T const* x, std::size_t stride, int count,
                                             float* to) noexcept {
  constexpr int tiles = block_of<Isa>::tiles;
  for (int t = 0; t < panel_tiles; t += tiles)
    with_rows<Isa>(count, [&](auto rows) {
      multiply_block<Isa, T, rows, tiles>(
          panel + t * tree_lanes, panel_strides, steps, [&](int r) { return x + std::size_t(r) * stride; },
          [&](int row, int tile, auto v) __attribute__((always_inline)) {
            v.store(to + row * panel_outputs + (t + tile) * tree_lanes);
          });
    });
}

/// The tile that multiply_rows fills.
template <class Isa> struct alignas(64) row_tile {
  float value[block_of<Isa>::rows * panel_outputs];
  float* row(int r) noexcept { return value + r * panel_outputs; }
};

/// Calls f(first row, rows) over `rows` rows in blocks of nearly equal size, at most block_of<Isa>::rows each.
template <class Isa, class F> VERBATIM_INLINE void for_row_blocks(int rows, F&& f) noexcept {
  constexpr int most = block_of<Isa>::rows;
  int const blocks = (rows + most - 1) / most;
  for (int b = 0, first = 0; b < blocks; ++b) {
    int const next = int(std::int64_t(rows) * (b + 1) / blocks);
    f(first, next - first);
    first = next;
  }
}

/// One panel against all rows of x. Calls out(row, column within the panel, sums of 16 outputs).
template <class Isa, class T, class Out>
inline void multiply_panel(std::uint32_t const* panel, int steps, rows_of<T> x, Out&& out) noexcept {
  for_row_blocks<Isa>(x.rows, [&](int first, int count) {
    row_tile<Isa> tile;
    multiply_rows<Isa, T>(panel, steps, x.row(first), x.stride, count, tile.value);
    for (int r = 0; r < count; ++r)
      for (int c = 0; c < panel_outputs; c += tree_lanes) out(first + r, c, vector_of<Isa>::load(tile.row(r) + c));
  });
}

}  // namespace verbatim::cpu
