// Products of int4 weights with activations in eight bits. 32 products of a block are summed as integers, exactly, in whatever order an
// instruction set likes; blocks are one chain of fma in ascending k, so rows, threads and instruction sets leave the bits alone.
// AVX512-VNNI: four products a lane in one instruction. AVX2 and AVX512 without it: pairs are summed in 16 bits, where the sixteen
// products of a half lane fit (16 x 15 x 127 = 30480), and widened once a block.
#pragma once
#include <cstddef>
#include <cstdint>

#include "verbatim/backend/cpu/block.hpp"
#include "verbatim/backend/cpu/int8_rows.hpp"
#include "verbatim/backend/cpu/quantised.hpp"

namespace verbatim::cpu {

/// Sixteen outputs: `codes` four inputs of each, from 0 to 15, a byte each; `sums` what has been added up of a block. `Vnni` is a
/// parameter of its own so that a test can hold both against each other; elsewhere it is that of the instruction set.
template <class Isa, bool Vnni = Isa::vnni> struct int8_lanes;

template <bool Vnni> struct int8_lanes<scalar, Vnni> {
  using V = vector_of<scalar>;
  struct codes { std::uint32_t lane[16]; };
  struct sums { std::int32_t lane[16]; };
  /// Inputs 0 2 4 6 (Odd: 1 3 5 7) of eight.
  template <bool Odd> static codes of(std::uint32_t const* p) noexcept {
    codes c;
    for (int i = 0; i < 16; ++i) c.lane[i] = p[i] >> (Odd ? 4 : 0) & 0x0f0f0f0fu;
    return c;
  }
  static sums none() noexcept { return {}; }
  static void add(sums& s, codes c, std::int8_t const* x) noexcept {
    for (int i = 0; i < 16; ++i)
      for (int k = 0; k < 4; ++k) s.lane[i] += std::int32_t(c.lane[i] >> (8 * k) & 255u) * x[k];
  }
  static V total(sums s, std::int32_t offset) noexcept {
    float f[16];
    for (int i = 0; i < 16; ++i) f[i] = float(s.lane[i] + offset);
    return V::load(f);
  }
};

#if VERBATIM_HAS_AVX2
template <bool Vnni> struct int8_lanes<avx2, Vnni> {
  using V = vector_of<avx2>;
  struct codes { __m256i a, b; };
  struct sums { __m256i a, b; };
  template <bool Odd> VERBATIM_INLINE static codes of(std::uint32_t const* p) noexcept {
    auto const q = reinterpret_cast<__m256i const*>(p);
    return {nibbles<Odd>(_mm256_loadu_si256(q)), nibbles<Odd>(_mm256_loadu_si256(q + 1))};
  }
  VERBATIM_INLINE static sums none() noexcept { return {_mm256_setzero_si256(), _mm256_setzero_si256()}; }
  VERBATIM_INLINE static void add(sums& s, codes c, std::int8_t const* x) noexcept {
    __m256i const four = _mm256_set1_epi32(int(load_word(x)));
    s.a = _mm256_add_epi16(s.a, _mm256_maddubs_epi16(c.a, four));
    s.b = _mm256_add_epi16(s.b, _mm256_maddubs_epi16(c.b, four));
    asm("" : "+x"(s.a), "+x"(s.b));   // g++ makes trees of integer sums, whose terms no longer fit the registers
  }
  VERBATIM_INLINE static V total(sums s, std::int32_t offset) noexcept {
    __m256i const one = _mm256_set1_epi16(1), more = _mm256_set1_epi32(offset);
    return {_mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_madd_epi16(s.a, one), more)), _mm256_cvtepi32_ps(_mm256_add_epi32(_mm256_madd_epi16(s.b, one), more))};
  }

 private:
  template <bool Odd> VERBATIM_INLINE static __m256i nibbles(__m256i x) noexcept {
    return _mm256_and_si256(Odd ? _mm256_srli_epi16(x, 4) : x, _mm256_set1_epi8(15));
  }
};
#endif

#if VERBATIM_HAS_AVX512
template <> struct int8_lanes<avx512, false> {
  using V = vector_of<avx512>;
  using codes = __m512i;
  using sums = __m512i;
  static constexpr __mmask16 all = 0xffff;
  template <bool Odd> VERBATIM_INLINE static codes of(std::uint32_t const* p) noexcept {
    __m512i const x = _mm512_loadu_si512(p);
    return _mm512_and_si512(Odd ? _mm512_srli_epi16(x, 4) : x, _mm512_set1_epi8(15));
  }
  VERBATIM_INLINE static sums none() noexcept { return _mm512_setzero_si512(); }
  VERBATIM_INLINE static void add(sums& s, codes c, std::int8_t const* x) noexcept {
    __m512i const four = _mm512_set1_epi32(int(load_word(x)));
    s = _mm512_add_epi16(s, _mm512_maddubs_epi16(c, four));
    asm("" : "+v"(s));   // as above
  }
  VERBATIM_INLINE static V total(sums s, std::int32_t offset) noexcept { return floats(_mm512_madd_epi16(s, _mm512_set1_epi16(1)), offset); }

 protected:
  VERBATIM_INLINE static V floats(__m512i s, std::int32_t offset) noexcept { return _mm512_maskz_cvtepi32_ps(all, _mm512_add_epi32(s, _mm512_set1_epi32(offset))); }
};
#if VERBATIM_HAS_AVX512VNNI
template <> struct int8_lanes<avx512, true> : int8_lanes<avx512, false> {
  VERBATIM_INLINE static void add(sums& s, codes c, std::int8_t const* x) noexcept { s = _mm512_dpbusd_epi32(s, c, _mm512_set1_epi32(int(load_word(x)))); }
  VERBATIM_INLINE static V total(sums s, std::int32_t offset) noexcept { return floats(s, offset); }
};
#endif
template <bool Vnni> struct int8_lanes<avx512bf16, Vnni> : int8_lanes<avx512, Vnni> {};
#endif

/// Rows at once and tiles of 16 outputs: sums of rows x tiles fit the registers beside a step's weights and a broadcast; those of f32 wait in L1.
template <class Isa> struct int8_block_of {
  static constexpr int rows = 6;
  static constexpr int tiles(int) noexcept { return 4; }   // 24 + 4 + 2 of 32 zmm
};
template <> struct int8_block_of<avx2> {
  static constexpr int rows = 4;
  static constexpr int tiles(int n) noexcept { return n == 1 ? 2 : 1; }   // 8 + 2 + 3 of 16 ymm
};
template <> struct int8_block_of<scalar> {
  static constexpr int rows = 1;
  static constexpr int tiles(int) noexcept { return 1; }
};

namespace detail {

template <class Isa, bool Vnni, int Rows>
__attribute__((noinline)) void multiply_int8(quantised_block<4> const* weights, int blocks, int8_block const* x, std::size_t stride, float* sums,
                                             lookahead ahead) noexcept {
  using V = vector_of<Isa>;
  using lanes = int8_lanes<Isa, Vnni>;
  constexpr int tiles = int8_block_of<Isa>::tiles(Rows);
  for (int t = 0; t < panel_tiles; t += tiles)
    for (int b = 0; b < blocks; ++b) {
      ahead.fetch(1);
      quantised_block<4> const& w = weights[b];
      asm volatile("" ::: "memory");   // sums of f32 wait in L1: g++ would keep them in registers over the blocks, and spill
      int8_block const* row[Rows];
      typename lanes::sums sum[Rows][tiles];
      repeat<Rows>([&](auto r) __attribute__((always_inline)) {
        row[r] = x + std::size_t(r) * stride + b;
        repeat<tiles>([&](auto i) __attribute__((always_inline)) { sum[r][i] = lanes::none(); });
      });
      repeat<2 * quantised_block<4>::groups>([&](auto step) __attribute__((always_inline)) {
        typename lanes::codes c[tiles];
        repeat<tiles>([&](auto i) __attribute__((always_inline)) { c[i] = lanes::template of<step % 2 == 1>(w.code[step / 2] + (t + i) * tree_lanes); });
        repeat<Rows>([&](auto r) __attribute__((always_inline)) {
          repeat<tiles>([&](auto i) __attribute__((always_inline)) { lanes::add(sum[r][i], c[i], row[r]->code + 4 * step); });
        });
      });
      repeat<tiles>([&](auto i) __attribute__((always_inline)) {
        V const scale = V::load(w.scale + (t + i) * tree_lanes);
        repeat<Rows>([&](auto r) __attribute__((always_inline)) {
          float* const to = sums + r * panel_outputs + (t + i) * tree_lanes;
          fma(lanes::total(sum[r][i], row[r]->offset), scale * V(row[r]->scale), V::load(to)).store(to);
        });
      });
    }
}

}  // namespace detail

/// sums[row][64] += the products of `blocks` blocks with `count` rows, 1 <= count <= int8_block_of<Isa>::rows. `ahead` counts the blocks
/// of all passes over the panel.
template <class Isa, bool Vnni = Isa::vnni>
void multiply_int8(quantised_block<4> const* weights, int blocks, int8_block const* x, std::size_t stride, int count, float* sums, lookahead ahead) noexcept {
  repeat<int8_block_of<Isa>::rows>([&](auto r) __attribute__((always_inline)) {
    if (count == r + 1) detail::multiply_int8<Isa, Vnni, r + 1>(weights, blocks, x, stride, sums, ahead);
  });
}
template <class Isa> constexpr int int8_passes_of(int rows) noexcept { return panel_tiles / int8_block_of<Isa>::tiles(rows); }

}  // namespace verbatim::cpu
