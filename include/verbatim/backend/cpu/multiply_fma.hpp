// Products by f32 fma, whatever the weights are kept as: words of a panel, codes, or f32 that an earlier block of rows left
// in L1. The first block of rows turns weights into f32 as it goes and may leave them for the blocks that follow (where block_of does not
// have each turn them anew), so that many rows pay for it once and few rows run at the speed of memory. The order is mac()'s: of a pair of bf16 the odd one first.
#pragma once
#include <cstddef>
#include <cstdint>

#include "verbatim/backend/cpu/block.hpp"
#include "verbatim/backend/cpu/flushing.hpp"
#include "verbatim/backend/cpu/quantised.hpp"

namespace verbatim::cpu {

inline constexpr int shared_inputs = 64;   ///< whose f32 weights are left for further rows: 16 KiB of L1, beside their sums

/// Weights of one panel. `unit`: inputs that one step of the loop takes; `at(step, column)`: those from a step on, for tiles of 16
/// outputs from a column on, valid for `run(steps)` steps; `lines`: cache lines of a step, times 256.
template <class T> struct word_weights {
  static constexpr int unit = packed_matrix<T>::word, lines = 4 * 256;
  static constexpr bool leaves = unit == 2, scaled = false;
  std::uint32_t const* words;
  static constexpr int run(int steps) noexcept { return steps; }
  template <class V, int Tiles> struct cursor {
    std::uint32_t const* words;
    template <int K> VERBATIM_INLINE V value(int step, int tile) const noexcept {
      V const w = V::load_words(words + std::ptrdiff_t(step) * panel_outputs + tile * tree_lanes);
      if constexpr (unit == 1) return w;
      else return K ? w.upper() : w.lower();
    }
  };
  template <class V, int Tiles> VERBATIM_INLINE cursor<V, Tiles> at(int step, int column) const noexcept {
    return {words + std::ptrdiff_t(step) * panel_outputs + column};
  }
};

template <int Bits> struct code_weights {
  using block = quantised_block<Bits>;
  static constexpr int unit = block::in_lane, lines = int(4 * sizeof(block)) / block::groups;
  static constexpr bool leaves = true, scaled = true;
  block const* blocks;
  static constexpr int run(int) noexcept { return block::groups; }
  template <class V, int Tiles> struct cursor {
    block const* from;
    int column;
    decoder_of<V, Bits> decode[Tiles];
    template <int K> VERBATIM_INLINE V value(int step, int tile) const noexcept {
      return decode[tile].value(from->code[step] + column + tile * tree_lanes, K);
    }
  };
  template <class V, int Tiles> VERBATIM_INLINE cursor<V, Tiles> at(int step, int column) const noexcept {
    cursor<V, Tiles> c{blocks + step / block::groups, column, {}};
    repeat<Tiles>([&](auto i) __attribute__((always_inline)) { c.decode[i] = decoder_of<V, Bits>(c.from->scale + column + i * tree_lanes); });
    return c;
  }
};

/// [input][64 outputs] of f32.
template <class T> struct float_weights {
  static constexpr int unit = packed_matrix<T>::word, lines = 0;
  static constexpr bool leaves = false, scaled = false;
  float const* values;
  static constexpr int run(int steps) noexcept { return steps; }
  template <class V, int Tiles> struct cursor {
    float const* values;
    template <int K> VERBATIM_INLINE V value(int step, int tile) const noexcept {
      return V::load(values + (std::ptrdiff_t(step) * unit + K) * panel_outputs + tile * tree_lanes);
    }
  };
  template <class V, int Tiles> VERBATIM_INLINE cursor<V, Tiles> at(int step, int column) const noexcept {
    return {values + std::ptrdiff_t(step) * unit * panel_outputs + column};
  }
};

namespace detail {

template <class Isa, class T, int Rows, bool Leave, class Weights>
__attribute__((noinline)) void multiply_fma(Weights weights, int steps, float const* x, std::size_t stride, float* sums, bool fresh, float* leave,
                                            lookahead ahead) noexcept {
  using V = vector_of<Isa>;
  constexpr int tiles = block_of<Isa>::tiles(Rows, Weights::scaled), unit = Weights::unit, pair = sizeof(T) == 2;
  float const* row[Rows];
  repeat<Rows>([&](auto r) __attribute__((always_inline)) { row[r] = x + std::size_t(r) * stride; });
  for (int t = 0; t < panel_tiles; t += tiles) {
    auto const sum = [&](int r, int i) __attribute__((always_inline)) { return sums + r * panel_outputs + (t + i) * tree_lanes; };
    V acc[Rows][tiles];
    repeat<Rows>([&](auto r) __attribute__((always_inline)) {
      repeat<tiles>([&](auto i) __attribute__((always_inline)) { acc[r][i] = fresh ? V(0.0f) : V::load(sum(r, i)); });
    });
    for (int first = 0, run = Weights::run(steps); first < steps; first += run) {
      auto const from = weights.template at<V, tiles>(first, t * tree_lanes);
      for (int s = 0; s < run; ++s) {
        ahead.fetch(1);
        repeat<unit>([&](auto k) __attribute__((always_inline)) {
          constexpr int in = int(k) ^ pair;
          std::ptrdiff_t const input = std::ptrdiff_t(first + s) * unit + in;
          V w[tiles];
          repeat<tiles>([&](auto i) __attribute__((always_inline)) {
            w[i] = from.template value<in>(s, i);
            if constexpr (Leave) w[i].store(leave + input * panel_outputs + (t + i) * tree_lanes);
          });
          repeat<Rows>([&](auto r) __attribute__((always_inline)) {
            V const a(row[r][input]);
            repeat<tiles>([&](auto i) __attribute__((always_inline)) { acc[r][i] = fma(w[i], a, acc[r][i]); });
          });
        });
      }
    }
    repeat<Rows>([&](auto r) __attribute__((always_inline)) {
      repeat<tiles>([&](auto i) __attribute__((always_inline)) { acc[r][i].store(sum(r, i)); });
    });
  }
}

}  // namespace detail

/// sums[row][64] += (`fresh`: =) the products of `steps` steps with `count` rows of values of T in f32, 1 <= count <= block_of<Isa>::rows.
/// `leave`: null, or where the weights go as f32. `ahead` counts the steps of all passes over the panel
/// (passes_of). For bf16 the caller holds a `flushing`.
template <class Isa, class T, class Weights>
void multiply_fma(Weights weights, int steps, float const* x, std::size_t stride, int count, float* sums, bool fresh, float* leave, lookahead ahead) noexcept {
  with_rows<Isa>(count, [&](auto rows) {
    constexpr bool leaves = Weights::leaves && !block_of<Isa>::widens_anew && 2 * rows >= block_of<Isa>::rows;   // of several blocks none is smaller (for_parts)
    if constexpr (leaves)
      if (leave) return detail::multiply_fma<Isa, T, rows, true>(weights, steps, x, stride, sums, fresh, leave, ahead);
    detail::multiply_fma<Isa, T, rows, false>(weights, steps, x, stride, sums, fresh, nullptr, ahead);
  });
}

}  // namespace verbatim::cpu
