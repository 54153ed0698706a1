// Memory of a device, owned and move-only, zeroed; and the weights in it: matrices as rows [outputs, k] of T, as checkpoints have
// them, or in the tiles of a kernel, vectors as f32. Parts of one matrix (q, k, v) lie one below the other, without gaps.
#pragma once
#include <array>
#include <cstddef>
#include <utility>

#include "verbatim/kernel/sm90/tiles.hpp"
#include "verbatim/simt/grid.hpp"

namespace verbatim::cuda {

/// `count` elements by allocate and release, two functions of an executor.
template <class T, auto Allocate, auto Release> class owned_array {
 public:
  owned_array() = default;
  explicit owned_array(std::size_t count) : data_(count ? static_cast<T*>(Allocate(count * sizeof(T))) : nullptr), size_(count) {}
  owned_array(owned_array&& o) noexcept : data_(std::exchange(o.data_, nullptr)), size_(std::exchange(o.size_, 0)) {}
  owned_array& operator=(owned_array&& o) noexcept {
    std::swap(data_, o.data_), std::swap(size_, o.size_);
    return *this;
  }
  ~owned_array() { if (data_) Release(data_); }
  T* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept { return size_ * sizeof(T); }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Memory that kernels read and write.
template <class Executor, class T> struct device_array : owned_array<T, &Executor::allocate, &Executor::release> {
  using owned_array<T, &Executor::allocate, &Executor::release>::owned_array;
  operator simt::global<T>() const noexcept { return {this->data(), this->size()}; }
  operator simt::global<T const>() const noexcept { return {this->data(), this->size()}; }
};
/// Memory of the host that copies to and from the device go through.
template <class Executor, class T> using staging_array = owned_array<T, &Executor::stage, &Executor::unstage>;

/// Parts of rows, joined; T is float for vectors, whose rows have one column. Tiled: kept as kernel/sm90/tiles.hpp says.
template <class Executor, class T, bool Tiled = false> class joined_tensor {
 public:
  joined_tensor() = default;
  joined_tensor(int const* rows, int parts, int columns) : parts_(parts), columns_(columns) {
    for (int p = 0; p < parts; ++p) offset_[std::size_t(p) + 1] = offset_[std::size_t(p)] + rows[p];
    values_ = device_array<Executor, T>(Tiled ? kernel::sm90::weight_elements(outputs(), columns) : std::size_t(outputs()) * std::size_t(columns));
  }
  bool empty() const noexcept { return parts_ == 0; }
  int outputs() const noexcept { return offset_[std::size_t(parts_)]; }
  int columns() const noexcept { return columns_; }
  int rows(int part) const noexcept { return offset_[std::size_t(part) + 1] - offset_[std::size_t(part)]; }
  int offset(int part) const noexcept { return offset_[std::size_t(part)]; }
  /// In tiles, the two parts of a matrix that has two alternate (kernel/sm90/tiles.hpp); each is a multiple of eight rows then.
  bool alternates() const noexcept { return Tiled && parts_ == 2; }
  /// Not where it is tiled.
  T* row(int part, int r) const noexcept { return values_.data() + std::size_t(offset(part) + r) * std::size_t(columns_); }
  std::size_t bytes() const noexcept { return values_.bytes(); }
  simt::global<T> all() const noexcept { return values_; }

 private:
  int parts_ = 0, columns_ = 0;
  std::array<int, 5> offset_{};
  device_array<Executor, T> values_;
};

template <class Executor, class T, bool Tiled> using device_matrix = joined_tensor<Executor, T, Tiled>;
template <class Executor> struct device_vector : joined_tensor<Executor, float> {
  device_vector() = default;
  device_vector(int const* sizes, int parts) : joined_tensor<Executor, float>(sizes, parts, 1) {}
};

/// Gives no memory: what is made with it knows its size alone.
struct no_memory {
  static void* allocate(std::size_t) noexcept { return nullptr; }
  static void release(void*) noexcept {}
  static void* stage(std::size_t) noexcept { return nullptr; }
  static void unstage(void*) noexcept {}
};
/// The weights of ops<cuda::…> before there are any: a loader shaped with this counts their bytes.
template <class T, class Linear> struct planned_weights {
  using value = T;
  using matrix = device_matrix<no_memory, T, Linear::template tiled<T>>;
  using vector = device_vector<no_memory>;
};

}  // namespace verbatim::cuda
