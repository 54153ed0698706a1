// Keys and values as eight-bit codes: a block of elements shares a power of two 2^(e - 127), kept as the byte e; 255 stands for
// what is not finite. Every code times its scale has seven significant bits, so bf16 holds it exactly and decoding rounds nothing.
// Source: OCP Microscaling Formats 1.0 (MXINT8).
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "verbatim/backend/cpu/simd.hpp"
#include "verbatim/core/kv_format.hpp"

namespace verbatim::cpu {

/// e of the least power of two whose 127-fold reaches `extreme` >= 0 (255: not finite, or nearly).
inline std::uint8_t block_exponent(float extreme) noexcept {
  constexpr std::uint32_t mantissa = 0x7fffff, of_127 = 0x7e0000;   // 127 = 2^6 * 1.984375
  std::uint32_t const bits = std::bit_cast<std::uint32_t>(extreme), e = bits >> 23;
  if (e >= 227) return 255;                                         // 2^100
  std::uint32_t const above = (bits & mantissa) > of_127 ? 1 : 0;
  return e < 15 ? 9 : std::uint8_t(e - 6 + above);                  // at least 2^-118: products stay normal
}
inline float scale_of(std::uint8_t e) noexcept { return std::bit_cast<float>(e == 255 ? 0x7fc00000u : std::uint32_t(e) << 23); }

/// Codes of `count` elements, to the nearest, ties to even; gives e. `step`: from a code to the next.
template <class T> std::uint8_t encode_block(T const* x, int count, std::int8_t* to, int step) noexcept {
  float extreme = 0, finite = 0;
  for (int i = 0; i < count; ++i) {
    float const m = std::fabs(to_float(x[i]));
    extreme = m > extreme ? m : extreme, finite += m - m;
  }
  std::uint8_t const e = finite != 0 ? 255 : block_exponent(extreme);
  float const inverse = e == 255 ? 0.0f : 1 / scale_of(e);
  constexpr float shift = 0x1.8p23f;
  for (int i = 0; i < count; ++i) to[i * step] = e == 255 ? std::int8_t(0) : std::int8_t(to_float(x[i]) * inverse + shift - shift);
  return e;
}

namespace detail {
using sixteen_codes [[gnu::vector_size(16)]] = std::int8_t;
using sixteen_ints [[gnu::vector_size(64)]] = std::int32_t;
using sixteen_words [[gnu::vector_size(64)]] = std::uint32_t;
using sixteen_floats [[gnu::vector_size(64)]] = float;
using sixteen_halves [[gnu::vector_size(32)]] = std::uint16_t;

// Results by reference: a vector wider than the target's registers has no settled way to be returned.
VERBATIM_INLINE void load_codes(std::int8_t const* p, sixteen_floats& out) noexcept {
  sixteen_codes c;
  std::memcpy(&c, p, sizeof c);
  out = __builtin_convertvector(__builtin_convertvector(c, sixteen_ints), sixteen_floats);
}
VERBATIM_INLINE void load_widened(bf16 const* p, sixteen_words& out) noexcept {
  sixteen_halves h;
  std::memcpy(&h, p, sizeof h);
  out = __builtin_convertvector(h, sixteen_words) << 16;
}
}  // namespace detail

/// A tile of keys, [head_dim][16 positions] of codes with [blocks][16] exponents before them, as words of T.
template <class T> void decode_keys(std::uint8_t const* from, int head_dim, std::uint32_t* to) noexcept {
  using namespace detail;
  int const blocks = (head_dim + kv_block - 1) / kv_block;
  auto const* const codes = reinterpret_cast<std::int8_t const*>(from + blocks * tree_lanes);
  for (int b = 0; b < blocks; ++b) {
    sixteen_floats scale;
    for (int i = 0; i < tree_lanes; ++i) scale[i] = scale_of(from[b * tree_lanes + i]);
    int const end = (b + 1) * kv_block < head_dim ? (b + 1) * kv_block : head_dim;
    for (int d = b * kv_block; d < end; d += 4 / int(sizeof(T)), to += tree_lanes) {
      sixteen_floats x;
      load_codes(codes + d * tree_lanes, x);
      auto word = (sixteen_words)(x * scale);
      if constexpr (sizeof(T) == 2) {
        load_codes(codes + (d + 1) * tree_lanes, x);
        word = (word >> 16) | ((sixteen_words)(x * scale) & 0xffff0000u);
      }
      std::memcpy(to, &word, sizeof word);
    }
  }
}

/// A row of a value, [blocks] exponents and [width] codes, as T; width is a multiple of 16.
template <class T> void decode_value(std::uint8_t const* from, int width, T* to) noexcept {
  using namespace detail;
  int const blocks = (width + kv_block - 1) / kv_block;
  auto const* const codes = reinterpret_cast<std::int8_t const*>(from + blocks);
  for (int c = 0; c < width; c += tree_lanes) {
    sixteen_floats x;
    load_codes(codes + c, x);
    x = x * scale_of(from[c / kv_block]);
    if constexpr (sizeof(T) == 4) {
      std::memcpy(to + c, &x, sizeof x);
    } else {
      auto const halves = __builtin_convertvector((sixteen_words)x >> 16, sixteen_halves);
      std::memcpy(to + c, &halves, sizeof halves);
    }
  }
}

}  // namespace verbatim::cpu
