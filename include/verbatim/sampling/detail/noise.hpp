// Many numbers of numerics/noise.hpp at a time, and a cheap test of which ids can still win.
#pragma once
#include "verbatim/core/token.hpp"
#include "verbatim/numerics/noise.hpp"
#include "verbatim/sampling/detail/lanes.hpp"

namespace verbatim::detail {

inline constexpr std::size_t noise_block = 128;
/// The noise at one position of one seed.
class noise_stream {
 public:
  noise_stream(std::uint64_t seed, int position) noexcept : own_{philox_key_of(seed), std::uint32_t(position)} {
    philox_key k = own_.key;
    for (auto& round : keys_) round[0] = k[0], round[1] = k[1], k = {k[0] + philox_weyl[0], k[1] + philox_weyl[1]};
  }
  double gumbel(token id, std::uint32_t upper) const noexcept { return own_.value(id, upper); }
  double gumbel(token id) const noexcept { return own_.value(id); }
  /// words[16 k + j]: word k of counter j of the block of ids that starts at `first`, a multiple of 128.
  void words_plain(std::uint32_t first, std::uint32_t* words) const noexcept {
    for (std::uint32_t j = 0; j < 16; ++j) {
      auto const w = own_.words(first / 8 + j);
      for (std::uint32_t k = 0; k < 4; ++k) words[16 * k + j] = w[k];
    }
  }
#if defined(__AVX512F__)
  void words(std::uint32_t first, std::uint32_t* words) const noexcept {
    __m512i const even = _mm512_add_epi64(_mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14), _mm512_set1_epi64(first / 8));
    __m512i const at = _mm512_set1_epi64(own_.position), domain = _mm512_set1_epi64(noise_domain);
    __m512i a[4] = {even, at, _mm512_setzero_si512(), domain};
    __m512i b[4] = {_mm512_add_epi64(even, _mm512_set1_epi64(1)), at, _mm512_setzero_si512(), domain};
    for (auto const& key : keys_) round(a, key), round(b, key);
    for (int k = 0; k < 4; ++k)
      _mm512_storeu_si512(words + 16 * k, _mm512_mask_blend_epi32(0xAAAA, a[k], _mm512_maskz_slli_epi64(0xff, b[k], 32)));
  }
#elif defined(__AVX2__)
  void words(std::uint32_t first, std::uint32_t* words) const noexcept {
    __m256i const at = _mm256_set1_epi64x(own_.position), domain = _mm256_set1_epi64x(noise_domain);
    for (int half = 0; half < 2; ++half) {
      __m256i const even = _mm256_add_epi64(_mm256_setr_epi64x(0, 2, 4, 6), _mm256_set1_epi64x(first / 8 + 8 * half));
      __m256i a[4] = {even, at, _mm256_setzero_si256(), domain};
      __m256i b[4] = {_mm256_add_epi64(even, _mm256_set1_epi64x(1)), at, _mm256_setzero_si256(), domain};
      for (auto const& key : keys_) round(a, key), round(b, key);
      for (int k = 0; k < 4; ++k)
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(words + 16 * k + 8 * half), _mm256_blend_epi32(a[k], _mm256_slli_epi64(b[k], 32), 0xAA));
    }
  }
#else
  void words(std::uint32_t first, std::uint32_t* words) const noexcept { words_plain(first, words); }
#endif

 private:
#if defined(__AVX512F__)
  /// One round on eight counters in 64-bit lanes; the upper halves hold garbage that multiplications ignore. The
  /// zero-masked forms with a full mask are the plain instructions; without it g++ 12 warns about its own header.
  static void round(__m512i (&c)[4], std::uint64_t const (&key)[2]) noexcept {
    __m512i const p0 = _mm512_maskz_mul_epu32(0xff, c[0], _mm512_set1_epi64(philox_multiplier[0]));
    __m512i const p1 = _mm512_maskz_mul_epu32(0xff, c[2], _mm512_set1_epi64(philox_multiplier[1]));
    __m512i const k0 = _mm512_set1_epi64(std::int64_t(key[0])), k1 = _mm512_set1_epi64(std::int64_t(key[1]));
    c[0] = _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(0xff, p1, 32), c[1], k0, 0x96);
    c[2] = _mm512_ternarylogic_epi64(_mm512_maskz_srli_epi64(0xff, p0, 32), c[3], k1, 0x96);
    c[1] = p1, c[3] = p0;
  }
#elif defined(__AVX2__)
  static void round(__m256i (&c)[4], std::uint64_t const (&key)[2]) noexcept {   // the same on four
    __m256i const p0 = _mm256_mul_epu32(c[0], _mm256_set1_epi64x(philox_multiplier[0]));
    __m256i const p1 = _mm256_mul_epu32(c[2], _mm256_set1_epi64x(philox_multiplier[1]));
    auto const mix = [](__m256i upper, __m256i word, std::uint64_t k) {
      return _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(upper, 32), word), _mm256_set1_epi64x(std::int64_t(k)));
    };
    c[0] = mix(p1, c[1], key[0]), c[2] = mix(p0, c[3], key[1]);
    c[1] = p1, c[3] = p0;
  }
#endif
  gumbel_noise own_;
  std::uint64_t keys_[10][2];
};

/// Whether one of `count` values, a multiple of 16, is at least t.
inline bool any_at_least(float const* x, std::size_t count, float t) noexcept {
  std::uint32_t any = 0;
  for (std::size_t i = 0; i < count; i += lanes) {
    float_lanes v;
    load(v, x + i);
    any |= mask_at_least(v, t);
  }
  return any != 0;
}

/// For 32 ids: bit i is clear only if x[i] + noise < best for certain. That x + g >= best needs log2(w) <= (x - best) / ln 2,
/// because -log(1 - w) >= w; and the bits of a float, read as an integer, are a lower bound of its logarithm.
inline std::uint32_t may_win(float const* x, std::uint32_t const* words, float best) noexcept {
  std::uint32_t found = 0;
  for (int half = 0; half < 2; ++half) {
    float_lanes v, w;
    load(v, x + half * lanes);
    std::memcpy(&w, words, sizeof w);
    each_register([&](float_register& value, float_register word) __attribute__((always_inline)) {
      int_register const upper = (half ? (int_register)word >> 16 : (int_register)word) & 0xffff;
      int_register const bits = (int_register)__builtin_convertvector(upper, float_register);
      value = (value - best) * 1.44269504f - (__builtin_convertvector(bits, float_register) * 0x1p-23f - (127.0f + 16.0f));
    }, v, w);
    found |= mask_at_least(v, -1e-3f) << (16 * half);   // rounding errors of the lines above are below 1e-4
  }
  return found;
}

}  // namespace verbatim::detail
