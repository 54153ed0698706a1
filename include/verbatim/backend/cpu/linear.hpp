// y = x W^T over packed weights. Every output of every row is one chain of mac() in ascending k that starts at zero, in a
// lane of its own: one row or a thousand, any threads, any instruction set, the bits are the same (layout_invariant).
// One row streams the weights at memory bandwidth. More rows run in blocks of `block_of<Isa>::rows` against 256 words of k of a
// panel (64 KiB of weights, which come from memory once and then from L2) while the next 256 are fetched; sums wait in a tile
// between them, f32 as in registers, so blocking leaves the bits alone.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "verbatim/backend/cpu/block.hpp"
#include "verbatim/backend/cpu/multiply_codes.hpp"
#include "verbatim/backend/cpu/widened.hpp"
#include "verbatim/backend/ops.hpp"

namespace verbatim::cpu {

/// sums[row][64] += the products of `steps` words (at most step_block) with `count` rows, 1 <= count <= block_of<Isa>::rows. The
/// one place where the register blocks are instantiated.
template <class Isa, class T>
__attribute__((noinline)) void multiply_rows(std::uint32_t const* weights, int steps, T const* x, std::size_t stride, int count,
                                             float* sums, lookahead ahead) noexcept {
  if constexpr (sizeof(T) == 2)
    if (count > 1 && widening_pays<Isa>())
      return with_rows<Isa>(count, [&](auto rows) { multiply_widened<Isa, rows>(weights, steps, x, stride, sums, ahead); });
  constexpr int tiles = block_of<Isa>::tiles;
  for (int t = 0; t < panel_tiles; t += tiles)
    with_rows<Isa>(count, [&](auto rows) {
      auto const sum = [&](int row, int tile) __attribute__((always_inline)) { return sums + row * panel_outputs + (t + tile) * tree_lanes; };
      multiply_block<Isa, T, rows, tiles>(
          weights + t * tree_lanes, panel_strides, steps, [&](int r) { return x + std::size_t(r) * stride; },
          [&](int row, int tile) __attribute__((always_inline)) { return vector_of<Isa>::load(sum(row, tile)); },
          [&](int row, int tile, auto v) __attribute__((always_inline)) { v.store(sum(row, tile)); }, t == 0 ? ahead : lookahead{});
    });
}

/// Calls f(first, count, part, parts) over `n` in parts of nearly equal size, at most `most` each.
template <class F> VERBATIM_INLINE void for_parts(int n, int most, F&& f) noexcept {
  int const parts = (n + most - 1) / most;
  for (int p = 0, first = 0; p < parts; ++p) {
    int const next = int(std::int64_t(n) * (p + 1) / parts);
    f(first, next - first, p, parts);
    first = next;
  }
}

/// The sums of one panel with a group of rows. 12 KiB for avx512.
template <class Isa> struct alignas(64) row_tile {
  static constexpr int rows = 8 * block_of<Isa>::rows;
  float value[rows * panel_outputs];
  float const* row(int r) const noexcept { return value + r * panel_outputs; }

  /// Of panel `index` with rows of x, at most `rows`. `then`: what the thread reads afterwards.
  template <class T> void multiply(packed_matrix<T> const& w, int index, rows_of<T> x, std::uint32_t const* then) noexcept {
    std::fill_n(value, x.rows * panel_outputs, 0.0f);
    if (w.quantised()) return multiply_quantised(w, index, x, then);
    for (int first = 0; first < w.steps(); first += step_block) {
      int const n = std::min(step_block, w.steps() - first);
      std::uint32_t const* const weights = w.panel(index) + w.words_before(first);
      std::uint32_t const* const next = first + n < w.steps() ? weights + n * panel_outputs : then;
      multiply_steps(weights, first, n, x, next, x.rows > block_of<Isa>::rows ? std::size_t(n) * panel_outputs : 0);
    }
  }

 private:
  /// Steps [first, first + n), whose words are at `weights`. `then`, `words`: to be fetched meanwhile; 0 words: `weights` itself
  /// streams from memory.
  template <class T> void multiply_steps(std::uint32_t const* weights, int first, int n, rows_of<T> x, std::uint32_t const* then, std::size_t words) noexcept {
    for_parts(x.rows, block_of<Isa>::rows, [&](int r, int count, int block, int blocks) {
      auto const ahead = words > 0 ? lookahead::share(then, words, n, block, blocks) : lookahead::streaming(weights);
      multiply_rows<Isa, T>(weights, n, x.row(r) + std::ptrdiff_t(first) * packed_matrix<T>::word, x.stride, count, value + r * panel_outputs, ahead);
    });
  }
  /// Few rows take codes as they come; for more, weights are unpacked for all of them at once, into half of L1.
  template <class T> void multiply_quantised(packed_matrix<T> const& w, int index, rows_of<T> x, std::uint32_t const* then) noexcept {
    constexpr int steps = 64;   // words of k: 16 KiB
    alignas(64) std::uint32_t words[steps * panel_outputs];
    int first = 0;
    if (x.rows <= block_of<Isa>::rows) {
      int const blocks = w.inputs() / block_inputs;
      with_rows<Isa>(x.rows, [&](auto rows) {
        if (w.format() == weight_format::int8) multiply_codes<Isa, 8, T, rows>(w.template blocks_of<8>(index), blocks, x.data, x.stride, value);
        else multiply_codes<Isa, 4, T, rows>(w.template blocks_of<4>(index), blocks, x.data, x.stride, value);
      });
      first = blocks * packed_matrix<T>::block_steps;
    }
    for (; first < w.steps(); first += steps) {
      int const n = std::min(steps, w.steps() - first);
      w.template unpack_steps<vector_of<Isa>>(index, first, n, words);
      std::uint32_t const* const next = first + n < w.steps() ? w.panel(index) + w.words_before(first + n) : then;
      multiply_steps(words, first, n, x, next, w.words_before(steps));
    }
  }
};

/// Panel `index` of w against all rows of x. Calls out(row, column within the panel, sums of 16 outputs).
template <class Isa, class T, class Out>
inline void multiply_panel(packed_matrix<T> const& w, int index, rows_of<T> x, Out&& out) noexcept {
  for_parts(x.rows, row_tile<Isa>::rows, [&](int first, int count, int, int) {
    row_tile<Isa> tile;
    tile.multiply(w, index, rows_of<T>{x.row(first), count, x.columns, x.stride}, w.panel(index + 1));   // most often the next one
    for (int r = 0; r < count; ++r)
      for (int c = 0; c < panel_outputs; c += tree_lanes) out(first + r, c, vector_of<Isa>::load(tile.row(r) + c));
  });
}

}  // namespace verbatim::cpu
