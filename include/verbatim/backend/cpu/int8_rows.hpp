// Activations in eight bits, for products of integers (weight_format::w4a8). 32 inputs of a row share a scale, the greatest magnitude
// / 127, and become codes from -127 to 127, nearest, ties to even. Operations are IEEE single, so every instruction set has the same
// codes. Source: llama.cpp's Q8_0 has blocks and range alike.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "verbatim/backend/cpu/quantised.hpp"
#include "verbatim/backend/cpu/simd.hpp"

namespace verbatim::cpu {

/// The codes lie as a lane of quantised_block<4> gives up its nibbles: of eight inputs 0 2 4 6, then 1 3 5 7.
struct int8_block {
  std::int8_t code[block_inputs];
  float scale;           ///< NaN where an input is not finite; 0 where none reaches 2^-100
  std::int32_t offset;   ///< -8 times the sum of the codes: what the weights' codes without a sign have too much

  static constexpr int place(int input) noexcept { return input / 8 * 8 + input % 2 * 4 + input % 8 / 2; }
  float decode(int input) const noexcept { return float(code[place(input)]) * scale; }

  /// V: a vector of sixteen f32.
  template <class V> void encode(V low, V high) noexcept {
    using integers = std::int32_t __attribute__((vector_size(64)));
    using bytes = std::int8_t __attribute__((vector_size(16)));
    V const v[2] = {low, high};
    integers u[2], codes[2] = {};
    for (int h = 0; h < 2; ++h) bits_of(v[h], u[h]), u[h] &= 0x7fffffff;   // magnitudes are ordered as their bits are, infinite and NaN above all
    integers const larger = u[0] > u[1] ? u[0] : u[1];
    std::int32_t most = 0, sum = 0;
    for (int i = 0; i < 16; ++i) most = larger[i] > most ? larger[i] : most;
    float const magnitude = std::bit_cast<float>(most);
    bool const finite = most < 0x7f800000, some = finite && magnitude >= 0x1p-100f;
    scale = some ? magnitude / 127 : finite ? 0 : NAN;
    if (some)
      for (int h = 0; h < 2; ++h) bits_of(fma(v[h], V(127 / magnitude), V(shift)), codes[h]), codes[h] -= std::bit_cast<std::int32_t>(shift);
    integers const both = codes[0] + codes[1];
    for (int i = 0; i < 16; ++i) sum += both[i];
    offset = -8 * sum;
    for (int h = 0; h < 2; ++h) {
      bytes const narrow = __builtin_convertvector(codes[h], bytes),
                  placed = __builtin_shufflevector(narrow, narrow, 0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15);
      std::memcpy(code + 16 * h, &placed, sizeof placed);
    }
  }

 private:
  static constexpr float shift = 0x1.8p23f;   ///< beside which a float's last bit is one: an integer in its low bits
  template <class V, class Bits> static void bits_of(V v, Bits& to) noexcept {
    alignas(64) float lane[16];
    v.store(lane);
    std::memcpy(&to, lane, sizeof to);
  }
};
static_assert(sizeof(int8_block) == 40);

constexpr int int8_blocks(int inputs) noexcept { return (inputs + block_inputs - 1) / block_inputs; }

/// Rows of such blocks: row r starts at data + r * stride.
struct int8_rows {
  int8_block* data = nullptr;
  int rows = 0, blocks = 0;
  std::size_t stride = 0;
  int8_block* row(int r) const noexcept { return data + std::size_t(r) * stride; }
  int8_rows part(int first, int count) const noexcept { return {row(first), count, blocks, stride}; }
};

/// One row of `inputs` values; what its last block has beyond them is zero.
template <class V, class T> void encode_row(T const* x, int inputs, int8_block* to) noexcept {
  for (int i = 0; i < inputs; i += block_inputs, ++to)
    to->encode(load_some<V>(x + i, std::min(inputs - i, tree_lanes)), load_some<V>(x + i + tree_lanes, std::clamp(inputs - i - tree_lanes, 0, tree_lanes)));
}

}  // namespace verbatim::cpu
