// y = x W^T over packed weights. Every output of every row is one chain of mac() in ascending k that starts at zero, in a
// lane of its own: one row or a thousand, any threads, any instruction set, the bits are the same (layout_invariant).
// One row streams the weights at memory bandwidth. More rows run in blocks of `block_of<Isa>::rows` against a block of k, whose weights
// come from memory once and then from L2 or, widened, L1, while those that follow are fetched; sums wait in a tile between them,
// f32 as in registers, so blocking leaves the bits alone.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "verbatim/backend/cpu/block.hpp"
#include "verbatim/backend/cpu/multiply_dot.hpp"
#include "verbatim/backend/cpu/multiply_fma.hpp"
#include "verbatim/backend/cpu/multiply_int8.hpp"
#include "verbatim/backend/cpu/operand.hpp"
#include "verbatim/backend/cpu/packed_linear.hpp"
#include "verbatim/backend/ops.hpp"

namespace verbatim::cpu {

/// Calls f(first, count, part, parts) over `n` in parts of nearly equal size, at most `most` each.
template <class F> VERBATIM_INLINE void for_parts(int n, int most, F&& f) noexcept {
  int const parts = (n + most - 1) / most;
  for (int p = 0, first = 0; p < parts; ++p) {
    int const next = int(std::int64_t(n) * (p + 1) / parts);
    f(first, next - first, p, parts);
    first = next;
  }
}

/// The sums of one panel with a group of rows: 66 of avx512, so that a batch of 64 reads the weights once. 16.5 KiB.
template <class Isa, product By = product::fastest> struct alignas(64) row_tile {
  static constexpr int rows = 11 * block_of<Isa>::rows;
  float value[rows * panel_outputs];
  float const* row(int r) const noexcept { return value + r * panel_outputs; }

  /// Of panel `index` with rows of x, at most `rows`. `then`: what the thread reads afterwards.
  template <class T> void multiply(packed_matrix<T> const& w, int index, operand<T> const& by, std::uint32_t const* then) noexcept {
    if (by.form == operand_form::codes) return by_int8(w, index, by.codes, then);
    if constexpr (has_dot<Isa, T> && By != product::fma)
      if (by.form == operand_form::rows) return by_dot(w, index, by.x, then);
    if (by.form != operand_form::wide) __builtin_trap();   // an operand that was made for other products: a mistake of ours
    by_fma(w, index, by.wide, then);
  }

  /// The two ways; the same bits.
  template <class T> void by_fma(packed_matrix<T> const& w, int index, rows_of<float> x, std::uint32_t const* then) noexcept {
    constexpr int word = packed_matrix<T>::word, block_steps = packed_matrix<T>::block_steps;
    constexpr bool anew = block_of<Isa>::widens_anew;
    bool const several = x.rows > block_of<Isa>::rows, unpack = anew && x.rows >= block_of<Isa>::rows && w.quantised();
    bool const leave = !anew && several && (word == 2 || w.quantised());
    bool const streams = !several && passes_of<Isa>(x.rows, w.quantised()) == 1;
    int const most = leave    ? shared_inputs / word
                     : unpack  ? unpacked_steps
                     : several || streams || (anew && word == 2 && !w.quantised()) ? block_of<Isa>::steps(x.rows) : shared_inputs / 2;
    alignas(64) float left[anew ? 1 : shared_inputs * panel_outputs];
    alignas(64) std::uint32_t unpacked[(anew ? unpacked_steps : block_steps) * panel_outputs];
    flushing<Isa, sizeof(T) == 2> const guard;   // the kernels are calls of their own: no arithmetic moves out of it
    for (int first = 0; first < w.steps(); first += most) {
      int const n = std::min(most, w.steps() - first);
      // Of codes, those that are multiplied as such; the last inputs may not fill a block.
      int const coded = unpack ? 0 : w.quantised() ? std::min(n, w.inputs() / block_inputs * block_steps - first) : n;
      if (coded < n) w.template unpack_steps<vector_of<Isa>>(index, first + coded, n - coded, unpacked);
      std::uint32_t const* const from = w.panel(index) + w.words_before(first);
      std::uint32_t const* const next = first + n < w.steps() ? w.panel(index) + w.words_before(first + n) : then;
      for_parts(x.rows, block_of<Isa>::rows, [&](int r, int count, int block, int blocks) {
        auto const multiply = [&](auto weights, int at, int words, bool leaves = false) {
          if (words == 0) return;
          int const steps = words * word / weights.unit;
          auto const ahead = at > 0   ? lookahead{}
                             : streams ? lookahead::streaming(from, weights.lines)
                                       : lookahead::share(next, coming(w, first + n, most), steps * passes_of<Isa>(count, weights.scaled), block, blocks);
          bool const fresh = first == 0 && (at == 0 || coded == 0);
          multiply_fma<Isa, T>(weights, steps, x.row(r) + std::ptrdiff_t(first + at) * word, x.stride, count, value + r * panel_outputs, fresh,
                               leaves ? left : nullptr, ahead);
        };
        bool const again = leave && block > 0;
        if constexpr (!anew)
          if (again) multiply(float_weights<T>{left}, 0, coded);
        if (again) {}
        else if (w.format() == weight_format::int8) multiply(code_weights<8>{w.template blocks_of<8>(index) + first / block_steps}, 0, coded, leave);
        else if (w.format() == weight_format::int4) multiply(code_weights<4>{w.template blocks_of<4>(index) + first / block_steps}, 0, coded, leave);
        else multiply(word_weights<T>{from}, 0, coded, leave);
        if (coded < n) multiply(word_weights<T>{unpacked}, coded, n - coded);
      });
    }
  }
  static constexpr int unpacked_steps = 128;   ///< of codes, for a whole block of rows or more: 32 KiB of words
  template <class T> void by_dot(packed_matrix<T> const& w, int index, rows_of<T> x, std::uint32_t const* then) noexcept {
    constexpr int most = 64;   // words of codes that are unpacked at a time: 16 KiB, half of L1
    alignas(64) std::uint32_t unpacked[most * panel_outputs];
    int const block = w.quantised() ? most : block_of<Isa>::steps(x.rows);
    for (int first = 0; first < w.steps(); first += block) {
      int const n = std::min(block, w.steps() - first);
      std::uint32_t const* const from = w.panel(index) + w.words_before(first);
      std::uint32_t const* const next = first + n < w.steps() ? w.panel(index) + w.words_before(first + n) : then;
      if (w.quantised()) w.template unpack_steps<vector_of<Isa>>(index, first, n, unpacked);
      for_parts(x.rows, block_of<Isa>::rows, [&](int r, int count, int part, int parts) {
        auto const ahead = parts > 1 ? lookahead::share(next, coming(w, first + n, block), n, part, parts) : lookahead::streaming(from, word_weights<T>::lines);
        multiply_dot<Isa>(w.quantised() ? unpacked : from, n, x.row(r) + std::ptrdiff_t(first) * 2, x.stride, count, value + r * panel_outputs, first == 0, ahead);
      });
    }
  }
  template <class T> void by_int8(packed_matrix<T> const& w, int index, int8_rows x, std::uint32_t const* then) noexcept {
    constexpr int block_steps = packed_matrix<T>::block_steps;
    int const most = x.rows > int8_block_of<Isa>::rows ? 16 : 4;   // blocks: 18 KiB of L1 for all rows, or what is fetched ahead
    std::fill(value, value + x.rows * panel_outputs, 0.0f);
    for (int first = 0; first < x.blocks; first += most) {
      int const n = std::min(most, x.blocks - first), next = std::min((first + n) * block_steps, w.steps());
      std::uint32_t const* const from = next < w.steps() ? w.panel(index) + w.words_before(next) : then;
      for_parts(x.rows, int8_block_of<Isa>::rows, [&](int r, int count, int part, int parts) {
        auto const ahead = lookahead::share(from, coming(w, next, most * block_steps), n * int8_passes_of<Isa>(count), part, parts);
        multiply_int8<Isa>(w.template blocks_of<4>(index) + first, n, x.row(r) + first, x.stride, count, value + r * panel_outputs, ahead);
      });
    }
  }

 private:
  /// Words of memory that the block after step `next` reads: of this panel or, at its end, of the one that comes then.
  template <class T> static std::size_t coming(packed_matrix<T> const& w, int next, int block) noexcept {
    return w.words_before(std::min(block, next < w.steps() ? w.steps() - next : w.steps()));
  }
};

/// Panel `index` of w against all rows of x. Calls out(row, column within the panel, sums of 16 outputs).
template <class Isa, class T, product By = product::fastest, class Out>
inline void multiply_panel(packed_matrix<T> const& w, int index, operand<T> const& x, Out&& out) noexcept {
  for_parts(x.rows(), row_tile<Isa, By>::rows, [&](int first, int count, int, int) {
    row_tile<Isa, By> tile;
    tile.multiply(w, index, x.part(first, count), w.panel(index + 1));   // most often the next one
    for (int r = 0; r < count; ++r)
      for (int c = 0; c < panel_outputs; c += tree_lanes) out(first + r, c, vector_of<Isa>::load(tile.row(r) + c));
  });
}

}  // namespace verbatim::cpu
