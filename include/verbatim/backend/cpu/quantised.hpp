// Blocks of 32 inputs of a panel's 64 outputs in 8 or 4 bits: [64 bf16 scales][codes], the codes of an output in a lane of 32
// bits of its own, inputs ascending from the low bits, without a sign: code + middle. So one lane of a register becomes one
// output's value with a shift, a mask and one fma, all exact: the code is put into the mantissa of 2^23, and a code times its
// scale has at most 8 significant bits. Sources: OCP Microscaling Formats 1.0 (MXINT8); llama.cpp's Q4_0 for the asymmetric range.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "verbatim/core/bf16.hpp"
#include "verbatim/core/weight_format.hpp"

namespace verbatim::cpu {

inline constexpr int block_inputs = 32;    ///< that share a scale

template <int Bits> struct quantised_block {
  static_assert(Bits == 8 || Bits == 4);
  static constexpr int outputs = 64, in_lane = 32 / Bits, groups = block_inputs / in_lane;
  static constexpr int middle = 1 << (Bits - 1);
  bf16 scale[outputs];
  std::uint32_t code[groups][outputs];

  /// Quantises one output's inputs. What is not finite, or beyond 2^100, makes the scale NaN.
  void encode(int output, float const (&w)[block_inputs]) noexcept {
    floats v[2];
    std::memcpy(v, w, sizeof v);
    float const s = choose(w, v);
    scale[output] = to_bf16(s);
    float const inverse = s > 0 || s < 0 ? 1 / s : 0;
    std::int8_t q[block_inputs];
    for (int h = 0; h < 2; ++h) {
      floats x = v[h] * inverse;
      round(x);
      auto const codes = __builtin_convertvector(__builtin_convertvector(x, integers), bytes);
      std::memcpy(q + 16 * h, &codes, sizeof codes);
    }
    for (int g = 0; g < groups; ++g) {
      std::uint32_t lane = 0;
      for (int i = 0; i < in_lane; ++i) lane |= std::uint32_t(q[g * in_lane + i] + middle) << (Bits * i);
      code[g][output] = lane;
    }
  }
  /// What input i of an output stands for.
  float decode(int output, int i) const noexcept {
    std::uint32_t const c = code[i / in_lane][output] >> (Bits * (i % in_lane)) & ((1u << Bits) - 1);
    return float(int(c) - middle) * to_float(scale[output]) + 0.0f;   // a zero has no sign
  }

 private:
  static constexpr int least = Bits == 8 ? -127 : -8, most = Bits == 8 ? 127 : 7;
  static constexpr float smallest = 0x1p-118f, greatest = 0x1p100f;   // products stay normal, and finite on their way

  using floats = float __attribute__((vector_size(64)));
  using integers = std::int32_t __attribute__((vector_size(64)));
  using bytes = std::int8_t __attribute__((vector_size(16)));

  /// To the nearest code, ties to even.
  [[gnu::always_inline]] static void round(floats& x) noexcept {
    constexpr float shift = 0x1.8p23f;
    floats const low = floats{} + float(least), high = floats{} + float(most);
    x = x > low ? x : low;   // NaN too
    x = x < high ? x : high;
    x = (x + shift) - shift;
  }
  static float choose(float const (&w)[block_inputs], floats const (&v)[2]) noexcept {
    float high = w[0], low = w[0], sum = 0;
    for (float x : w) high = x > high ? x : high, low = x < low ? x : low, sum += x - x;
    float const extreme = high > -low ? high : low;
    if (sum != 0 || std::fabs(extreme) >= greatest) return NAN;   // infinite, NaN or near it
    if (extreme == 0) return 0;
    int e;
    if constexpr (Bits == 8) {
      float const m = std::frexp(std::fabs(extreme) / most, &e);
      return std::max(std::ldexp(1.0f, m == 0.5f ? e - 1 : e), smallest);   // the least power of two that reaches
    } else {
      float const ideal = extreme / least;   // the greatest magnitude gets the code that has no opposite
      float const m = std::trunc(std::frexp(ideal, &e) * 16), below = std::ldexp(m, e - 4), above = std::ldexp(m + (m > 0 ? 1.0f : -1.0f), e - 4);
      float const s = error(v, below) <= error(v, above) ? below : above;
      return std::fabs(s) >= smallest ? s : std::copysign(smallest, s);
    }
  }
  /// Of the squares, in double: every product is exact (a code times s is so in f32), so no compiler's contraction changes it.
  static double error(floats const (&v)[2], float s) noexcept {
    using doubles = double __attribute__((vector_size(128)));
    doubles sum{};
    float const inverse = 1 / s;
    for (floats const& x : v) {
      floats q = x * inverse;
      round(q);
      doubles const d = __builtin_convertvector(x - q * s, doubles);
      sum += d * d;
    }
    double total = 0;
    for (int i = 0; i < 16; ++i) total += sum[i];
    return total;
  }
};

namespace detail {

/// Two vectors of values that bf16 holds as one of words: the first in the lower halves.
template <class V> [[gnu::always_inline]] inline V pair_of(V even, V odd) noexcept {
  using words = std::uint32_t __attribute__((vector_size(64)));
  alignas(64) float a[16], b[16];
  even.store(a), odd.store(b);
  words e, o;
  std::memcpy(&e, a, sizeof e), std::memcpy(&o, b, sizeof o);
  e = (e >> 16) | (o & 0xffff0000u);
  std::memcpy(a, &e, sizeof a);
  return V::load(a);
}

}  // namespace detail

/// Sixteen outputs' values from their codes; V is a vector of sixteen f32.
template <class V, int Bits> class decoder_of {
 public:
  decoder_of() = default;
  [[gnu::always_inline]] explicit decoder_of(bf16 const* scale) noexcept
      : scale_(V::load(scale)), offset_(scale_ * V(-(0x1p23f + float(quantised_block<Bits>::middle)))) {}
  /// Of code i of a lane.
  [[gnu::always_inline]] V value(std::uint32_t const* code, int i) const noexcept {
    return fma(V::load_words(code).field(Bits * i, Bits), scale_, offset_);
  }

 private:
  V scale_, offset_;
};

/// The words of whole blocks, as a panel of T has them: f32, or pairs of bf16.
template <class V, int Bits, class T> void unpack(quantised_block<Bits> const* from, int blocks, std::uint32_t* to) noexcept {
  using block = quantised_block<Bits>;
  constexpr int word = 4 / int(sizeof(T));
  for (int b = 0; b < blocks; ++b, ++from, to += block_inputs / word * block::outputs)
    for (int o = 0; o < block::outputs; o += 16) {
      decoder_of<V, Bits> const decode(from->scale + o);
      for (int g = 0; g < block::groups; ++g)
        for (int i = 0; i < block::in_lane; i += word) {
          float* const out = reinterpret_cast<float*>(to + std::ptrdiff_t((g * block::in_lane + i) / word) * block::outputs + o);
          V const even = decode.value(from->code[g] + o, i);
          if constexpr (word == 1) even.store(out);
          else detail::pair_of(even, decode.value(from->code[g] + o, i + 1)).store(out);
        }
    }
}

}  // namespace verbatim::cpu
