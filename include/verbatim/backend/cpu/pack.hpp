// Packed weights: a matrix [outputs, k] in panels of 64 outputs. A panel is [k step][64 outputs][one word], a word being
// one f32 or two consecutive k of bf16, or blocks of 32 k in 8 or 4 bits (quantised.hpp) that unpack to such words; so a
// register of 16 words holds 16 outputs, each output keeps a lane of its own, and products accumulate in ascending k
// however many rows there are. A matrix may join several checkpoint tensors (q, k and v): each part starts a panel of its
// own, and rows past its end are zeros, as are k past the end in an odd pair.
// Memory: outputs rounded up to 64 per part. Cost of packing: one read and one write of the weights, in parallel by panels;
// it is what a refit costs, so whole tiles of words are transposed in registers and written around the caches.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "verbatim/backend/cpu/quantised.hpp"
#include "verbatim/backend/cpu/tile.hpp"
#include "verbatim/backend/memory.hpp"
#include "verbatim/core/bf16.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/core/weight_format.hpp"

namespace verbatim::cpu {

inline constexpr int panel_outputs = 64;
constexpr int padded(int n) noexcept { return (n + panel_outputs - 1) / panel_outputs * panel_outputs; }

/// One packed matrix of T. Where part p starts among the output columns: offset(p).
template <class T> class packed_matrix {
 public:
  static constexpr int word = 4 / int(sizeof(T));  ///< elements of k in a word
  static constexpr int max_parts = 4;

  packed_matrix() = default;
  /// An all-zero matrix of `parts` tensors with rows[p] outputs each, over k inputs.
  packed_matrix(int const* rows, int parts, int k, weight_format format = weight_format::checkpoint)
      : parts_(parts), k_(k), steps_((k + word - 1) / word), format_(format) {
    for (int p = 0; p < parts; ++p) {
      rows_[std::size_t(p)] = rows[p];
      offset_[std::size_t(p) + 1] = offset_[std::size_t(p)] + padded(rows[p]);
    }
    words_ = aligned_array<std::uint32_t>(std::size_t(panels()) * panel_words());
  }

  bool empty() const noexcept { return parts_ == 0; }
  int parts() const noexcept { return parts_; }
  int inputs() const noexcept { return k_; }
  int steps() const noexcept { return steps_; }
  weight_format format() const noexcept { return format_; }
  bool quantised() const noexcept { return format_ != weight_format::checkpoint; }
  bool rounds_activations() const noexcept { return format_ == weight_format::w4a8; }
  int rows(int part) const noexcept { return rows_[std::size_t(part)]; }
  int offset(int part) const noexcept { return offset_[std::size_t(part)]; }
  int outputs() const noexcept { return offset_[std::size_t(parts_)]; }   ///< padding included
  int panels() const noexcept { return outputs() / panel_outputs; }
  std::size_t bytes() const noexcept { return words_.bytes(); }
  std::uint32_t* panel(int i) const noexcept {
    return words_.data() + std::size_t(i) * panel_words();
  }
  /// Words of memory that one panel takes, and that lie before step `s` in it, a multiple of block_steps.
  std::size_t panel_words() const noexcept { return words_before(quantised() ? blocks() * block_steps : steps_); }
  std::size_t words_before(int s) const noexcept {
    auto const in = [&](std::size_t bytes) { return std::size_t(s / block_steps) * bytes / 4; };
    return !quantised() ? std::size_t(s) * panel_outputs : in(format_ == weight_format::int8 ? sizeof(quantised_block<8>) : sizeof(quantised_block<4>));
  }
  template <int Bits> quantised_block<Bits> const* blocks_of(int panel_index) const noexcept {
    return reinterpret_cast<quantised_block<Bits> const*>(panel(panel_index));
  }
  /// Unpacks steps [first, first + n) of a quantised panel; both are multiples of block_steps, but at the end of k.
  template <class V> void unpack_steps(int panel_index, int first, int n, std::uint32_t* to) const noexcept {
    std::uint32_t const* const from = panel(panel_index) + words_before(first);
    int const count = (n + block_steps - 1) / block_steps;
    if (format_ == weight_format::int8) unpack<V, 8, T>(reinterpret_cast<quantised_block<8> const*>(from), count, to);
    else unpack<V, 4, T>(reinterpret_cast<quantised_block<4> const*>(from), count, to);
  }

  /// Packs one panel of a part from row-major rows of From ([rows(part), inputs()]). Every From converts exactly.
  template <class From> void pack(int part, int panel_of_part, From const* source) noexcept {
    int const first = panel_of_part * panel_outputs;
    int const count = rows(part) - first < panel_outputs ? rows(part) - first : panel_outputs;
    std::uint32_t* const to = panel(offset(part) / panel_outputs + panel_of_part);
    if (format_ == weight_format::int8) return encode(reinterpret_cast<quantised_block<8>*>(to), source, first, count);
    if (quantised()) return encode(reinterpret_cast<quantised_block<4>*>(to), source, first, count);
    constexpr int block = 16;  // words: a cache line of each source row against 4 KiB of the panel
    int const whole = k_ / word;
    int done = 0;
    if constexpr (std::is_same_v<From, T>)
      if (count == panel_outputs && k_ % word == 0)
        done = pack_tiles(reinterpret_cast<std::byte const*>(source + std::size_t(first) * std::size_t(k_)), whole, to);
    for (int s = done; s < whole; s += block) {
      int const end = s + block < whole ? s + block : whole;
      for (int r = 0; r < count; ++r) {
        From const* const row = source + std::size_t(first + r) * std::size_t(k_);
        for (int i = s; i < end; ++i) to[std::size_t(i) * panel_outputs + std::size_t(r)] = word_of(row + i * word, word);
      }
    }
    if (whole < steps_)
      for (int r = 0; r < count; ++r)
        to[std::size_t(whole) * panel_outputs + std::size_t(r)] = word_of(source + std::size_t(first + r) * std::size_t(k_) + whole * word, k_ - whole * word);
  }

  /// Unpacks one row of a part: the embedding shares the packed head, so a tied table is in memory once.
  void copy_row(int part, int row, T* to) const noexcept {
    std::uint32_t const* const from = panel(offset(part) / panel_outputs + row / panel_outputs) + row % panel_outputs;
    if (format_ == weight_format::int8) return decode_row(reinterpret_cast<quantised_block<8> const*>(from - row % panel_outputs), row % panel_outputs, to);
    if (quantised()) return decode_row(reinterpret_cast<quantised_block<4> const*>(from - row % panel_outputs), row % panel_outputs, to);
    for (int i = 0; i < k_; i += word) std::memcpy(to + i, from + std::size_t(i / word) * panel_outputs, std::size_t(k_ - i < word ? k_ - i : word) * sizeof(T));
  }

  static constexpr int block_steps = block_inputs / word;   ///< words of k in a quantised block

 private:
  int blocks() const noexcept { return (k_ + block_inputs - 1) / block_inputs; }

  template <int Bits, class From> void encode(quantised_block<Bits>* to, From const* source, int first, int count) const noexcept {
    for (int b = 0; b < blocks(); ++b, ++to)
      for (int r = 0; r < count; ++r) {
        From const* const row = source + std::size_t(first + r) * std::size_t(k_) + b * block_inputs;
        int const n = k_ - b * block_inputs < block_inputs ? k_ - b * block_inputs : block_inputs;
        float w[block_inputs] = {};
        for (int i = 0; i < n; ++i) w[i] = to_float(row[i]);
        to->encode(r, w);
      }
  }
  template <int Bits> void decode_row(quantised_block<Bits> const* from, int row, T* to) const noexcept {
    for (int i = 0; i < k_; ++i) to[i] = from_float<T>(from[i / block_inputs].decode(row, i % block_inputs));
  }

  template <class From> static std::uint32_t word_of(From const* p, int count) noexcept {
    T pair[word] = {};
    for (int i = 0; i < count; ++i) pair[i] = from_float<T>(to_float(p[i]));
    std::uint32_t w;
    std::memcpy(&w, pair, 4);
    return w;
  }

  /// Whole tiles of 64 rows, which lie one after another. Gives how many words of each row it packed.
  static int pack_tiles(std::byte const* source, int words, std::uint32_t* to) noexcept {
    constexpr int ahead = 2 * tile_words;   // words: the rows are too many streams for the prefetchers
    int const whole = words / tile_words * tile_words;
    std::size_t const stride = std::size_t(words) * 4;
    for (int s = 0; s < whole; s += tile_words)
      for (int group = 0; group < panel_outputs; group += tile_words) {
        std::byte const* const from = source + std::size_t(group) * stride + std::size_t(s) * 4;
        for (int r = 0; r < tile_words && s + ahead < whole; ++r) __builtin_prefetch(from + std::size_t(r) * stride + ahead * 4);
        transpose_tile(from, stride, to + std::size_t(s) * panel_outputs + group, panel_outputs);
      }
    finish_streaming();
    return whole;
  }

  int parts_ = 0, k_ = 0, steps_ = 0;
  weight_format format_ = weight_format::checkpoint;
  std::array<int, max_parts> rows_{};
  std::array<int, max_parts + 1> offset_{};
  aligned_array<std::uint32_t> words_;
};

}  // namespace verbatim::cpu
