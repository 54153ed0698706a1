// The random words behind Gumbel noise, one per (seed, position, token id), and a cheap test of which ids can still win.
// Sixty-four consecutive ids share sixteen counters: id = 64 b + 16 k + j takes word k of counter 16 b + j, so that words
// come out of vector registers in the order of ids.
#pragma once
#include "verbatim/core/philox.hpp"
#include "verbatim/core/token.hpp"
#include "verbatim/sampling/detail/lanes.hpp"
#include "verbatim/sampling/detail/log.hpp"

namespace verbatim::detail {

inline constexpr std::size_t noise_block = 64;
inline constexpr std::uint32_t noise_domain = 0x67756d62u;
/// Above the largest noise, -log(-log(1 - 2^-33)) = 22.874.
inline constexpr float noise_bound = 23.0f;

/// The word of one id.
constexpr std::uint32_t noise_word(std::uint64_t seed, int position, token id) noexcept {
  std::uint32_t const i = std::uint32_t(id);
  return philox({i / 64 * 16 + i % 16, std::uint32_t(position), 0, noise_domain}, philox_key_of(seed))[i / 16 % 4];
}

/// The noise that a word stands for.
inline double gumbel_of(std::uint32_t word) noexcept {
  double const w = (double(word) + 0.5) * 0x1p-32;
  return -detail::log(-detail::log(1.0 - w));   // 1 - w is exact: w is a multiple of 2^-33
}

/// The words of the ids [first, first + 64), first a multiple of 64, without special instructions.
inline void noise_words_plain(std::uint64_t seed, int position, std::uint32_t first, std::uint32_t* out) noexcept {
  for (std::uint32_t j = 0; j < 16; ++j) {
    auto const w = philox({first / 4 + j, std::uint32_t(position), 0, noise_domain}, philox_key_of(seed));
    for (std::uint32_t k = 0; k < 4; ++k) out[16 * k + j] = w[k];
  }
}

#if defined(__AVX512F__)
/// One set of eight counters in 64-bit lanes; the upper halves hold garbage that multiplications ignore. The zero-masked
/// forms with a full mask are the same instructions; the plain ones make g++ 12 warn about its own header.
inline void philox_eight(__m512i (&c)[4], philox_key k) noexcept {
  __m512i const m0 = _mm512_set1_epi64(philox_multiplier[0]), m1 = _mm512_set1_epi64(philox_multiplier[1]);
  for (int round = 0; round < 10; ++round) {
    __m512i const p0 = _mm512_maskz_mul_epu32(0xff, c[0], m0), p1 = _mm512_maskz_mul_epu32(0xff, c[2], m1);
    c[0] = _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(0xff, p1, 32), c[1], _mm512_set1_epi64(k[0]), 0x96);
    c[2] = _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(0xff, p0, 32), c[3], _mm512_set1_epi64(k[1]), 0x96);
    c[1] = p1, c[3] = p0;
    k = {k[0] + philox_weyl[0], k[1] + philox_weyl[1]};
  }
}
inline void noise_words(std::uint64_t seed, int position, std::uint32_t first, std::uint32_t* out) noexcept {
  __m512i const even = _mm512_add_epi64(_mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), _mm512_set1_epi64(first / 4));
  __m512i const at = _mm512_set1_epi64(std::uint32_t(position)), domain = _mm512_set1_epi64(noise_domain);
  __m512i a[4] = {even, at, _mm512_setzero_si512(), domain};
  __m512i b[4] = {_mm512_add_epi64(even, _mm512_set1_epi64(1)), at, _mm512_setzero_si512(), domain};
  philox_eight(a, philox_key_of(seed));
  philox_eight(b, philox_key_of(seed));
  for (int k = 0; k < 4; ++k)
    _mm512_store_si512(out + 16 * k, _mm512_mask_blend_epi32(0xAAAA, a[k], _mm512_maskz_slli_epi64(0xff, b[k], 32)));
}
#else
inline void noise_words(std::uint64_t seed, int position, std::uint32_t first, std::uint32_t* out) noexcept {
  noise_words_plain(seed, position, first, out);
}
#endif

inline bool any_at_least(float const* x, float t) noexcept {
  std::uint32_t any = 0;
  for (std::size_t i = 0; i < noise_block; i += lanes) {
    float_lanes v;
    load(v, x + i);
    any |= mask_at_least(v, t);
  }
  return any != 0;
}

/// Bit j is clear only if x[j] + noise < best for certain: x + g >= best needs log2(w) <= (x - best) / ln 2, because
/// E >= w; and the bits of a float, read as an integer, are a lower bound of its logarithm.
inline std::uint32_t may_win(float const* x, std::uint32_t const* words, float best) noexcept {
  using word_lanes = std::uint32_t __attribute__((vector_size(64)));
  float_lanes v;
  word_lanes w;
  load(v, x);
  std::memcpy(&w, words, sizeof w);
  int_lanes const bits = (int_lanes)__builtin_convertvector(w, float_lanes);
  float_lanes const lower = __builtin_convertvector(bits, float_lanes) * 0x1p-23f - (127.0f + 32.0f);
  v = (v - best) * 1.44269504f - lower;
  return mask_at_least(v, -1e-3f);   // rounding errors of this line are below 1e-4
}

}  // namespace verbatim::detail
