// The register block of dot products: a few rows of activations against a few tiles of 16 outputs, every output in a lane of
// its own, one chain of mac() in ascending k. What linear layers and attention scores are made of.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "verbatim/backend/cpu/mac.hpp"
#include "verbatim/backend/cpu/pack.hpp"
#include "verbatim/backend/cpu/simd.hpp"

namespace verbatim::cpu {

inline constexpr int panel_tiles = panel_outputs / tree_lanes;

/// Accumulators of a block of some rows, at most `rows`: rows x tiles(rows) vectors that fit the registers beside weights and a broadcast,
/// and so many, where they do, that none waits for the one before (eight registers: two fma a cycle, each of four or five).
/// `widens_anew`: each block of rows turns words of bf16 into f32 again, beside its fma, instead of reading what the first one left as f32.
/// `steps(rows)`: words of k that all rows visit together: 64 KiB of a panel, or 16.
template <class Isa> struct block_of {
  static constexpr bool widens_anew = false;
  static constexpr int rows = 6;
  static constexpr int steps(int) noexcept { return 256; }
  static constexpr int tiles(int, bool = false) noexcept { return 4; }   // 24 + 4 + 1 of 32 zmm
};
template <> struct block_of<avx2> {
  static constexpr bool widens_anew = true;   // Zen 3, 64 and 512 rows: 86 % and 76 % of the peak, 58 % and 48 % by f32 that was left
  static constexpr int rows = 6;
  // With 64 steps bf16 of 6 to 16 rows from memory is a tenth to a quarter faster on Zen 3, of 1 and of 64 as fast (f32 was not measured).
  // Why is a guess: a pass reads every fourth line, which 256 steps crowd into a quarter of L1's sets.
  static constexpr int steps(int n) noexcept { return n <= 4 * rows ? 64 : 256; }
  static constexpr int tiles(int n, bool scaled = false) noexcept {   // two ymm a tile, 8 to 12 of 16; scales and offsets are two each
    return n == 1 && !scaled ? 4 : n <= 3 ? 2 : 1;
  }
};
template <> struct block_of<scalar> {
  static constexpr bool widens_anew = false;
  static constexpr int rows = 1;
  static constexpr int steps(int) noexcept { return 256; }
  static constexpr int tiles(int, bool = false) noexcept { return 1; }
};

/// How often a block of so many rows goes over a panel, one of codes with scales or not.
template <class Isa> constexpr int passes_of(int rows, bool scaled) noexcept { return panel_tiles / block_of<Isa>::tiles(rows, scaled); }

/// Where a block's weights lie: words from one k step to the next, and from one tile of 16 outputs to the next.
struct weight_strides {
  std::ptrdiff_t step, tile;
};
inline constexpr weight_strides panel_strides{panel_outputs, tree_lanes};

/// What is read next, fetched from memory while this is multiplied: hardware prefetchers stop at pages, and do not know where a
/// thread goes on.
struct lookahead {
  std::uint32_t const* next = nullptr;
  int rate = 0;   ///< cache lines in each step, times 256
  int due = 0;    ///< of them and not fetched yet, times 256

  /// One block alone runs at the speed of memory: it fetches what it reads some steps later.
  static lookahead streaming(std::uint32_t const* from, int rate) noexcept { return {from + distance, rate}; }
  /// Block `block` of `blocks` that run over the same weights in `steps` steps fetches its share of the `words` that follow, so
  /// that reading and arithmetic overlap.
  static lookahead share(std::uint32_t const* then, std::size_t words, int steps, int block, int blocks) noexcept {
    int const each = int(256 * (words / line) / std::size_t(steps * blocks)), rate = (each + 256 / every - 1) / (256 / every) * (256 / every);
    return {then + std::ptrdiff_t(rate * steps >> 8) * block * line, rate};
  }
  /// What is due in the next `steps` steps. A count that goes on is some instructions less than one that is made from a step's number.
  VERBATIM_INLINE void fetch(int steps) noexcept {
    for (due += rate * steps; due >= 256; due -= 256, next += line) __builtin_prefetch(next, 0, 2);   // to L2
  }
  /// Steps between two calls where they are due in groups of one size: counting in every step costs some percent of the arithmetic.
  static constexpr int every = 8;

 private:
  static constexpr int line = 16;       // words
  static constexpr int distance = 6 * 1024 / 4;   // words; 4 to 16 KiB were alike, none cost a fifth of the bandwidth
};

/// Rows x Tiles x 16 outputs, summed over `steps` words, onto start(row, tile). `weights` points at the first tile, row_of(r) is
/// where row r of the activations starts. Calls out(row, tile, vector) for each result.
template <class Isa, class T, int Rows, int Tiles, class RowOf, class Start, class Out>
VERBATIM_INLINE void multiply_block(std::uint32_t const* weights, weight_strides stride, int steps, RowOf&& row_of, Start&& start, Out&& out,
                                    lookahead ahead = {}) noexcept {
  using V = vector_of<Isa>;
  V acc[Rows][Tiles];
  T const* row[Rows];
  repeat<Rows>([&](auto r) __attribute__((always_inline)) {
    row[r] = row_of(int(r));
    repeat<Tiles>([&](auto t) __attribute__((always_inline)) { acc[r][t] = start(int(r), int(t)); });
  });
  constexpr int word = packed_matrix<T>::word;
  for (std::ptrdiff_t s = 0; s < steps; ++s) {
    V w[Tiles];
    if (s % lookahead::every == 0) ahead.fetch(std::min(lookahead::every, steps - int(s)));
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

}  // namespace verbatim::cpu
