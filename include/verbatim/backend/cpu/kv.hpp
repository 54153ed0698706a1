// The keys and values of all layers, in pages. Keys are packed like weights whose outputs are positions: tiles of 16
// positions, [head_dim words][16 positions], so scores are dot products in ascending k without a horizontal sum. Values are
// rows of positions, zero-padded to 16 columns. A page is a multiple of 16 tokens. Cost: all allocated at construction.
#pragma once
#include <cstdint>
#include <cstring>

#include "verbatim/backend/cpu/pack.hpp"
#include "verbatim/backend/memory.hpp"
#include "verbatim/numerics/reduce.hpp"

namespace verbatim::cpu {

template <class T> class kv_store {
 public:
  static constexpr int word = packed_matrix<T>::word;

  kv_store(int layers, int pages, int page, int kv_heads, int head_dim)
      : layers_(layers), pages_(pages), page_(page), heads_(kv_heads), head_dim_(head_dim), steps_(head_dim / word),
        width_((head_dim + tree_lanes - 1) / tree_lanes * tree_lanes),
        keys_(std::size_t(layers) * std::size_t(pages) * key_page()),
        values_(std::size_t(layers) * std::size_t(pages) * value_page()) {}

  int page() const noexcept { return page_; }
  int heads() const noexcept { return heads_; }
  int head_dim() const noexcept { return head_dim_; }
  int steps() const noexcept { return steps_; }   ///< words of a key
  int width() const noexcept { return width_; }   ///< columns of a value row, padding included
  std::size_t bytes() const noexcept { return keys_.bytes() + values_.bytes(); }

  /// The tile of 16 positions that holds `offset` within a page.
  std::uint32_t* key_tile(int layer, int page, int head, int offset) const noexcept {
    return keys_.data() + index(layer, page) * key_page() +
           std::size_t(head) * std::size_t(page_) * std::size_t(steps_) +
           std::size_t(offset / tree_lanes) * tree_lanes * std::size_t(steps_);
  }
  T* value_row(int layer, int page, int head, int offset) const noexcept {
    return values_.data() + index(layer, page) * value_page() +
           (std::size_t(head) * std::size_t(page_) + std::size_t(offset)) * std::size_t(width_);
  }

  /// Stores one position of one head.
  void append(int layer, int page, int head, int offset, T const* key, T const* value) noexcept {
    std::uint32_t* const tile = key_tile(layer, page, head, offset) + offset % tree_lanes;
    for (int s = 0; s < steps_; ++s) std::memcpy(tile + s * tree_lanes, key + s * word, 4);
    std::memcpy(value_row(layer, page, head, offset), value, std::size_t(head_dim_) * sizeof(T));
  }

  void copy_page(int from, int to) noexcept {
    for (int layer = 0; layer < layers_; ++layer) {
      std::memcpy(key_tile(layer, to, 0, 0), key_tile(layer, from, 0, 0), key_page() * sizeof(std::uint32_t));
      std::memcpy(value_row(layer, to, 0, 0), value_row(layer, from, 0, 0), value_page() * sizeof(T));
    }
  }

 private:
  std::size_t key_page() const noexcept { return std::size_t(heads_) * std::size_t(page_) * std::size_t(steps_); }
  std::size_t value_page() const noexcept { return std::size_t(heads_) * std::size_t(page_) * std::size_t(width_); }
  std::size_t index(int layer, int page) const noexcept { return std::size_t(layer) * std::size_t(pages_) + std::size_t(page); }

  int layers_, pages_, page_, heads_, head_dim_, steps_, width_;
  aligned_array<std::uint32_t> keys_;
  aligned_array<T> values_;
};

}  // namespace verbatim::cpu
