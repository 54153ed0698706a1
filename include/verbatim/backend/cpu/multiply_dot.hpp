// bf16 products by the instruction set's own dot product, and whether that is the faster way. Intel's of 2023 runs at less than
// half the rate of fma, AMD's at twice; both ways give the same bits.
// Sources: Intel's optimisation manual and AMD's guides give vdpbf16ps no rate to rely on, so it is measured.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "verbatim/backend/cpu/block.hpp"
#include "verbatim/backend/cpu/multiply_fma.hpp"

namespace verbatim::cpu {

template <class Isa, class T> inline constexpr bool has_dot = std::is_same_v<T, bf16> && Isa::flushes_bf16;

/// sums[row][64] += (`fresh`: =) the products of `steps` words with `count` rows, 1 <= count <= block_of<Isa>::rows.
template <class Isa>
__attribute__((noinline)) void multiply_dot(std::uint32_t const* weights, int steps, bf16 const* x, std::size_t stride, int count,
                                            float* sums, bool fresh, lookahead ahead) noexcept {
  constexpr int tiles = block_of<Isa>::tiles(block_of<Isa>::rows);
  for (int t = 0; t < panel_tiles; t += tiles)
    with_rows<Isa>(count, [&](auto rows) {
      auto const sum = [&](int row, int tile) __attribute__((always_inline)) { return sums + row * panel_outputs + (t + tile) * tree_lanes; };
      multiply_block<Isa, bf16, rows, tiles>(
          weights + t * tree_lanes, panel_strides, steps, [&](int r) { return x + std::size_t(r) * stride; },
          [&](int row, int tile) __attribute__((always_inline)) { return fresh ? vector_of<Isa>(0.0f) : vector_of<Isa>::load(sum(row, tile)); },
          [&](int row, int tile, auto v) __attribute__((always_inline)) { v.store(sum(row, tile)); }, t == 0 ? ahead : lookahead{});
    });
}

/// Whether several rows are faster by fma than by the instruction set's own bf16 product. Measured once, in about 0.2 ms, since
/// processors with the same instructions differ; both give the same bits.
template <class Isa> bool fma_pays() noexcept {
  if constexpr (!has_dot<Isa, bf16>) {
    return true;
  } else {
    static bool const pays = [] {
      constexpr int rows = block_of<Isa>::rows, steps = 64;
      alignas(64) static std::uint32_t const panel[steps * panel_outputs] = {};
      static bf16 const x[rows * steps * 2] = {};
      static float const wide[rows * steps * 2] = {};
      alignas(64) float sums[rows * panel_outputs] = {};
      auto const best_of = [&](auto const& product) {
        using clock = std::chrono::steady_clock;
        auto best = clock::duration::max();
        for (int pass = 0; pass < 100; ++pass) {
          auto const start = clock::now();
          product();
          asm volatile("" : : "r"(sums) : "memory");
          best = std::min(best, clock::now() - start);
        }
        return best;
      };
      auto const by_dot = best_of([&] { multiply_dot<Isa>(panel, steps, x, steps * 2, rows, sums, true, {}); });
      auto const by_fma = best_of([&] { multiply_fma<Isa, bf16>(word_weights<bf16>{panel}, steps, wide, steps * 2, rows, sums, true, nullptr, {}); });
      return by_fma < by_dot;
    }();
    return pays;
  }
}

}  // namespace verbatim::cpu
