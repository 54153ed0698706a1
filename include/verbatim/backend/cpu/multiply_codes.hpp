// Quantised panels with few rows: codes become f32 in registers and go into fma at once, so that a step reads its codes at the
// speed of memory. The same order and bits as unpacking to words and multiplying these.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "verbatim/backend/cpu/block.hpp"
#include "verbatim/backend/cpu/quantised.hpp"
#include "verbatim/backend/cpu/widened.hpp"

namespace verbatim::cpu {

namespace detail {

/// sums[row][64] += the products of `blocks` whole blocks.
template <class Isa, int Bits, class T, int Rows>
__attribute__((noinline)) void multiply_codes(quantised_block<Bits> const* from, int blocks, T const* x, std::size_t stride, float* sums) noexcept {
  using V = vector_of<Isa>;
  using block = quantised_block<Bits>;
  constexpr int tiles = block_of<Isa>::tiles, word = 4 / int(sizeof(T)), most = 8;   // blocks at a time: 6 rows of f32 are 6 KiB
  constexpr std::size_t ahead = 6 * 1024;
  alignas(64) float wide[Rows][most * block_inputs];
  for (int first = 0; first < blocks; first += most, from += most) {
    int const n = std::min(most, blocks - first);
    for (int r = 0; r < Rows; ++r) {
      T const* const row = x + std::size_t(r) * stride + std::ptrdiff_t(first) * block_inputs;
      for (int i = 0; i < n * block_inputs; i += tree_lanes) V::load(row + i).store(wide[r] + i);
    }
    for (int t = 0; t < panel_tiles; t += tiles) {
      auto const sum = [&](int r, int i) __attribute__((always_inline)) { return sums + r * panel_outputs + (t + i) * tree_lanes; };
      V acc[Rows][tiles];
      repeat<Rows>([&](auto r) __attribute__((always_inline)) {
        repeat<tiles>([&](auto i) __attribute__((always_inline)) { acc[r][i] = V::load(sum(r, i)); });
      });
      for (int b = 0; b < n; ++b) {
        block const& codes = from[b];
        if (t == 0)
          for (std::size_t line = 0; line < sizeof(block); line += 64) __builtin_prefetch(reinterpret_cast<char const*>(&codes) + ahead + line, 0, 2);
        decoder_of<Bits> decode[tiles];
        repeat<tiles>([&](auto i) __attribute__((always_inline)) { decode[i] = decoder_of<Bits>(codes.scale + (t + i) * tree_lanes); });
        for (int g = 0; g < block::groups; ++g)
          repeat<block::in_lane>([&](auto k) __attribute__((always_inline)) {
            constexpr int at = word == 2 ? int(k) ^ 1 : int(k);   // of a pair the odd element comes first (mac.hpp)
            V w[tiles];
            repeat<tiles>([&](auto i) __attribute__((always_inline)) { w[i] = decode[i].template value<V>(codes.code[g] + (t + i) * tree_lanes, at); });
            repeat<Rows>([&](auto r) __attribute__((always_inline)) {
              V const a(wide[r][b * block_inputs + g * block::in_lane + at]);
              repeat<tiles>([&](auto i) __attribute__((always_inline)) { acc[r][i] = fma(w[i], a, acc[r][i]); });
            });
          });
      }
      repeat<Rows>([&](auto r) __attribute__((always_inline)) {
        repeat<tiles>([&](auto i) __attribute__((always_inline)) { acc[r][i].store(sum(r, i)); });
      });
    }
  }
}

}  // namespace detail

template <class Isa, int Bits, class T, int Rows>
void multiply_codes(quantised_block<Bits> const* from, int blocks, T const* x, std::size_t stride, float* sums) noexcept {
  detail::flushing<Isa, sizeof(T) == 2> const guard;
  detail::multiply_codes<Isa, Bits, T, Rows>(from, blocks, x, stride, sums);
}

}  // namespace verbatim::cpu
