// bf16 products by f32 fma on widened operands, for several rows. The same bits as mac() with less work where the processor has
// no bf16 dot product, or has one at half the rate of fma (Intel's of 2023): activations are widened once a block of k and not
// once a tile, weights once for all rows.
// Sources: Intel's optimisation manual and AMD's guides give vdpbf16ps no rate to rely on, so it is measured.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "verbatim/backend/cpu/block.hpp"

namespace verbatim::cpu {

namespace detail {

/// Subnormals are zeros while it lives, going in and coming out, as vdpbf16ps has it; elsewhere they stay.
template <class Isa, bool Bf16 = true> struct flushing {
#if VERBATIM_HAS_AVX512BF16
  static constexpr bool wanted = Bf16 && Isa::flushes_bf16;
  static constexpr unsigned bits = 0x8040;   // FTZ, DAZ
  flushing() noexcept { if constexpr (wanted) _mm_setcsr(before | bits); }
  ~flushing() { if constexpr (wanted) _mm_setcsr(before); }
  unsigned before = wanted ? _mm_getcsr() : 0;
#else
  flushing() noexcept {}
  ~flushing() {}
#endif
  flushing(flushing const&) = delete;
};

template <class Isa, int Rows>
__attribute__((noinline)) void multiply_widened(std::uint32_t const* weights, int steps, bf16 const* x, std::size_t stride, float* sums,
                                                lookahead ahead) noexcept {
  using V = vector_of<Isa>;
  constexpr int tiles = block_of<Isa>::tiles;
  alignas(64) float odd[Rows][step_block], even[Rows][step_block];
  for (int r = 0; r < Rows; ++r) {
    bf16 const* const row = x + std::size_t(r) * stride;
    int s = 0;
    for (; s + tree_lanes <= steps; s += tree_lanes) {
      std::uint32_t words[tree_lanes];
      std::memcpy(words, row + s * 2, sizeof words);
      V const w = V::load_words(words);
      w.upper().store(odd[r] + s), w.lower().store(even[r] + s);
    }
    for (; s < steps; ++s) odd[r][s] = to_float(row[s * 2 + 1]), even[r][s] = to_float(row[s * 2]);
  }
  for (int t = 0; t < panel_tiles; t += tiles) {
    auto const sum = [&](int r, int i) __attribute__((always_inline)) { return sums + r * panel_outputs + (t + i) * tree_lanes; };
    V acc[Rows][tiles];
    repeat<Rows>([&](auto r) __attribute__((always_inline)) {
      repeat<tiles>([&](auto i) __attribute__((always_inline)) { acc[r][i] = V::load(sum(r, i)); });
    });
    for (int s = 0; s < steps; ++s) {
      if (t == 0) ahead.fetch(s);
      V w[tiles], half[tiles];
      repeat<tiles>([&](auto i) __attribute__((always_inline)) {
        w[i] = V::load_words(weights + std::ptrdiff_t(s) * panel_outputs + (t + i) * tree_lanes);
        half[i] = w[i].upper();
      });
      repeat<Rows>([&](auto r) __attribute__((always_inline)) {
        V const a(odd[r][s]);
        repeat<tiles>([&](auto i) __attribute__((always_inline)) { acc[r][i] = fma(half[i], a, acc[r][i]); });
      });
      repeat<tiles>([&](auto i) __attribute__((always_inline)) { half[i] = w[i].lower(); });
      repeat<Rows>([&](auto r) __attribute__((always_inline)) {
        V const a(even[r][s]);
        repeat<tiles>([&](auto i) __attribute__((always_inline)) { acc[r][i] = fma(half[i], a, acc[r][i]); });
      });
    }
    repeat<Rows>([&](auto r) __attribute__((always_inline)) {
      repeat<tiles>([&](auto i) __attribute__((always_inline)) { acc[r][i].store(sum(r, i)); });
    });
  }
}

}  // namespace detail

/// sums[row][64] += the products of `steps` words, as multiply_rows does it.
template <class Isa, int Rows>
void multiply_widened(std::uint32_t const* weights, int steps, bf16 const* x, std::size_t stride, float* sums, lookahead ahead) noexcept {
  detail::flushing<Isa> const guard;
  detail::multiply_widened<Isa, Rows>(weights, steps, x, stride, sums, ahead);   // a call of its own: arithmetic must not move out
}

/// Whether several rows are faster by fma than by the instruction set's own bf16 product. Measured once, in about 0.2 ms, since
/// processors with the same instructions differ; both give the same bits.
template <class Isa> bool widening_pays() noexcept {
  if constexpr (!Isa::flushes_bf16) {
    return true;   // no such instruction
  } else {
    static bool const pays = [] {
      constexpr int rows = block_of<Isa>::rows, steps = 64;
      alignas(64) static std::uint32_t const panel[steps * panel_outputs] = {};
      static bf16 const x[rows * steps * 2] = {};
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
      auto const by_dot = best_of([&] {
        multiply_block<Isa, bf16, rows, block_of<Isa>::tiles>(
            panel, panel_strides, steps, [&](int r) { return x + r * steps * 2; }, [](int, int) { return vector_of<Isa>(0.0f); },
            [&](int row, int tile, auto v) __attribute__((always_inline)) { v.store(sums + row * panel_outputs + tile * tree_lanes); });
      });
      auto const by_fma = best_of([&] { multiply_widened<Isa, rows>(panel, steps, x, steps * 2, sums, {}); });
      return by_fma < by_dot;
    }();
    return pays;
  }
}

}  // namespace verbatim::cpu
