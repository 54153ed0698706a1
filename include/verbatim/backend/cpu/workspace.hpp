// The activations of a step: a stack in one allocation, sized at construction for the largest step of a decoder.
// Rows are padded to 64 columns. Nothing is freed one by one: a `scope` gives back what was taken since it began.
#pragma once
#include <cstddef>

#include "verbatim/backend/cpu/pack.hpp"
#include "verbatim/backend/memory.hpp"
#include "verbatim/backend/ops.hpp"
#include "verbatim/core/model_config.hpp"

namespace verbatim::cpu {

template <class T> class workspace {
 public:
  workspace(model_config const& c, ops_limits const& limits) {
    auto const heads = [&](int n) { return std::size_t(padded(n * c.head_dim)); };
    std::size_t const hidden = std::size_t(padded(c.hidden)), inner = std::size_t(padded(c.intermediate));
    std::size_t const attention = hidden + heads(c.heads) * 2 + heads(c.kv_heads) * 2 + hidden;
    std::size_t const feed_forward = hidden + inner * 3 + hidden;
    std::size_t const layer = attention > feed_forward ? attention : feed_forward;
    data_ = aligned_array<T>((hidden + layer) * std::size_t(limits.tokens) + 2 * hidden * std::size_t(limits.outputs));
  }

  /// Uninitialised rows. The sizes above cover every decoder; a model that takes more is a mistake of ours.
  rows_of<T> take(int rows, int columns) noexcept {
    std::size_t const stride = std::size_t(padded(columns));
    T* const p = data_.data() + used_;
    used_ += stride * std::size_t(rows);
    if (used_ > data_.size()) __builtin_trap();
    return {p, rows, columns, stride};
  }
  void clear() noexcept { used_ = 0; }
  std::size_t bytes() const noexcept { return data_.bytes(); }

  /// Returns what was taken during its life.
  class scope {
   public:
    explicit scope(workspace& w) noexcept : owner_(w), mark_(w.used_) {}
    scope(scope const&) = delete;
    ~scope() { owner_.used_ = mark_; }

   private:
    workspace& owner_;
    std::size_t mark_;
  };

 private:
  aligned_array<T> data_;
  std::size_t used_ = 0;
};

/// Norm weights and biases: T values widened to f32, parts at the columns where the packed matrix has them.
class packed_vector {
 public:
  packed_vector() = default;
  packed_vector(int const* sizes, int parts) : parts_(parts) {
    for (int p = 0; p < parts; ++p) {
      size_[std::size_t(p)] = sizes[p];
      offset_[std::size_t(p) + 1] = offset_[std::size_t(p)] + padded(sizes[p]);
    }
    values_ = aligned_array<float>(std::size_t(offset_[std::size_t(parts)]));
  }
  bool empty() const noexcept { return parts_ == 0; }
  int size(int part) const noexcept { return size_[std::size_t(part)]; }
  float* part(int p) const noexcept { return values_.data() + offset_[std::size_t(p)]; }
  float const* data() const noexcept { return values_.data(); }
  std::size_t bytes() const noexcept { return values_.bytes(); }

 private:
  int parts_ = 0;
  std::array<int, 4> size_{};
  std::array<int, 5> offset_{};
  aligned_array<float> values_;
};

}  // namespace verbatim::cpu
