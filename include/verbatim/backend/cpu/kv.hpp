// The keys and values of all layers, in pages. Keys are packed like weights whose outputs are positions: tiles of 16
// positions, [head_dim words][16 positions], so scores are dot products in ascending k without a horizontal sum. Values are
// rows of positions, zero-padded to 16 columns. A page is a multiple of 16 tokens. Cost: all allocated at construction.
// Other formats than the activations' keep the same order and are decoded a tile or a few rows at a time, into the reader's buffer.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "verbatim/backend/cpu/kv_codes.hpp"
#include "verbatim/backend/cpu/pack.hpp"
#include "verbatim/backend/memory.hpp"
#include "verbatim/core/kv_format.hpp"
#include "verbatim/numerics/reduce.hpp"

namespace verbatim::cpu {

template <class T> class kv_store {
 public:
  static constexpr int word = packed_matrix<T>::word;

  kv_store(int layers, int pages, int page, int kv_heads, int head_dim, kv_format format = kv_format::activations)
      : format_(format == kv_format::bf16 && sizeof(T) == 2 ? kv_format::activations : format), layers_(layers), pages_(pages), page_(page), heads_(kv_heads),
        head_dim_(head_dim), steps_(head_dim / word), width_((head_dim + tree_lanes - 1) / tree_lanes * tree_lanes),
        tile_bytes_(std::size_t(tree_lanes) * bytes_of(head_dim)), row_bytes_(bytes_of(width_)),
        keys_(std::size_t(layers) * std::size_t(pages) * key_page()), values_(std::size_t(layers) * std::size_t(pages) * value_page()) {}

  int page() const noexcept { return page_; }
  int heads() const noexcept { return heads_; }
  int head_dim() const noexcept { return head_dim_; }
  int steps() const noexcept { return steps_; }   ///< words of a key
  int width() const noexcept { return width_; }   ///< columns of a value row, padding included
  std::size_t bytes() const noexcept { return keys_.bytes() + values_.bytes(); }

  /// The tile of 16 positions that holds `offset` within a page. `buffer`: [steps][16] words, used where it has to be decoded.
  std::uint32_t const* key_tile(int layer, int page, int head, int offset, std::uint32_t* buffer) const noexcept {
    std::uint8_t const* const from = tile(layer, page, head, offset);
    if (format_ == kv_format::activations) return reinterpret_cast<std::uint32_t const*>(from);
    if (format_ == kv_format::int8) decode_keys<T>(from, head_dim_, buffer);
    else widen(from, head_dim_ * tree_lanes, buffer);
    return buffer;
  }
  /// Rows [offset, offset + count) of a page, at most a page. `buffer`: [count][width].
  T const* value_rows(int layer, int page, int head, int offset, int count, T* buffer) const noexcept {
    std::uint8_t const* const from = row(layer, page, head, offset);
    if (format_ == kv_format::activations) return reinterpret_cast<T const*>(from);
    if (format_ == kv_format::bf16) widen(from, count * width_, buffer);
    else for (int i = 0; i < count; ++i) decode_value<T>(from + std::size_t(i) * row_bytes_, width_, buffer + i * width_);
    return buffer;
  }

  /// Stores one position of one head.
  void append(int layer, int page, int head, int offset, T const* key, T const* value) noexcept {
    std::uint8_t* const to = tile(layer, page, head, offset);
    std::uint8_t* const values = row(layer, page, head, offset);
    int const lane = offset % tree_lanes;
    if (format_ == kv_format::activations) {
      for (int s = 0; s < steps_; ++s) std::memcpy(to + 4 * (s * tree_lanes + lane), key + s * word, 4);
      std::memcpy(values, value, std::size_t(head_dim_) * sizeof(T));
    } else if (format_ == kv_format::bf16) {
      auto* const k = reinterpret_cast<bf16*>(to);
      auto* const v = reinterpret_cast<bf16*>(values);
      for (int i = 0; i < head_dim_; ++i) k[i * tree_lanes + lane] = to_bf16(to_float(key[i])), v[i] = to_bf16(to_float(value[i]));
    } else {
      int const blocks = blocks_of(head_dim_), row_blocks = blocks_of(width_);
      for (int b = 0; b < blocks; ++b) {
        int const first = b * kv_block, n = head_dim_ - first < kv_block ? head_dim_ - first : kv_block;
        to[b * tree_lanes + lane] = encode_block(key + first, n, reinterpret_cast<std::int8_t*>(to) + (blocks + first) * tree_lanes + lane, tree_lanes);
        values[b] = encode_block(value + first, n, reinterpret_cast<std::int8_t*>(values) + row_blocks + first, 1);
      }
    }
  }

  void copy_page(int from, int to) noexcept {
    for (int layer = 0; layer < layers_; ++layer) {
      std::memcpy(tile(layer, to, 0, 0), tile(layer, from, 0, 0), key_page());
      std::memcpy(row(layer, to, 0, 0), row(layer, from, 0, 0), value_page());
    }
  }

 private:
  static int blocks_of(int elements) noexcept { return (elements + kv_block - 1) / kv_block; }
  std::size_t bytes_of(int elements) const noexcept {
    if (format_ == kv_format::int8) return std::size_t(elements + blocks_of(elements));
    return std::size_t(elements) * (format_ == kv_format::bf16 ? sizeof(bf16) : sizeof(T));
  }
  /// Only f32 keeps bf16 as another type.
  template <class To> static void widen(std::uint8_t const* from, int count, To* to) noexcept {
    for (int i = 0; i < count; i += tree_lanes) {
      detail::sixteen_words w;
      detail::load_widened(reinterpret_cast<bf16 const*>(from) + i, w);
      if constexpr (sizeof(To) == 4) std::memcpy(to + i, &w, sizeof w);
    }
  }
  std::uint8_t* tile(int layer, int page, int head, int offset) const noexcept {
    return keys_.data() + index(layer, page) * key_page() + (std::size_t(head) * std::size_t(page_) + std::size_t(offset)) / tree_lanes * tile_bytes_;
  }
  std::uint8_t* row(int layer, int page, int head, int offset) const noexcept {
    return values_.data() + index(layer, page) * value_page() + (std::size_t(head) * std::size_t(page_) + std::size_t(offset)) * row_bytes_;
  }
  std::size_t key_page() const noexcept { return std::size_t(heads_) * std::size_t(page_) / tree_lanes * tile_bytes_; }
  std::size_t value_page() const noexcept { return std::size_t(heads_) * std::size_t(page_) * row_bytes_; }
  std::size_t index(int layer, int page) const noexcept { return std::size_t(layer) * std::size_t(pages_) + std::size_t(page); }

  kv_format format_;
  int layers_, pages_, page_, heads_, head_dim_, steps_, width_;
  std::size_t tile_bytes_, row_bytes_;
  aligned_array<std::uint8_t> keys_, values_;
};

}  // namespace verbatim::cpu
