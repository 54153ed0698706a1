// Zero-filled memory, at least cache-line aligned, owned and move-only. Large pieces lie on 2 MiB pages where the system
// gives them (a weight stream over 4 KiB pages pays a page walk every 64 lines), and cost nothing until they are touched.
// Allocated at construction and load only.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace verbatim {

/// `count` zeroed elements of T.
template <class T> class aligned_array {
  static_assert(std::is_trivially_copyable_v<T>);
  static constexpr std::size_t huge = std::size_t(2) << 20;

 public:
  aligned_array() = default;
  explicit aligned_array(std::size_t count) : size_(count) {
    if (count == 0) return;
    if (count > std::size_t(-1) / 2 / sizeof(T)) throw std::bad_alloc();
#if defined(__linux__)
    if (bytes() >= 2 * huge) {
      map();
      return;
    }
#endif
    std::size_t const rounded = (bytes() + 63) / 64 * 64;
    data_ = static_cast<T*>(std::aligned_alloc(64, rounded));
    if (!data_) throw std::bad_alloc();
    std::memset(static_cast<void*>(data_), 0, rounded);
  }
  aligned_array(aligned_array&& other) noexcept { swap(other); }
  aligned_array& operator=(aligned_array&& other) noexcept {
    aligned_array(std::move(other)).swap(*this);
    return *this;
  }
  ~aligned_array() {
#if defined(__linux__)
    if (mapped_) {
      ::munmap(mapped_, mapped_bytes_);
      return;
    }
#endif
    std::free(data_);
  }

  T* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t bytes() const noexcept { return size_ * sizeof(T); }

 private:
  void swap(aligned_array& o) noexcept {
    std::swap(data_, o.data_), std::swap(size_, o.size_);
    std::swap(mapped_, o.mapped_), std::swap(mapped_bytes_, o.mapped_bytes_);
  }
#if defined(__linux__)
  void map() {
    mapped_bytes_ = (bytes() + huge - 1) / huge * huge + huge;  // room to align; untouched pages cost nothing
    void* const p = ::mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw std::bad_alloc();
    mapped_ = p;
    void* aligned = p;
    std::size_t space = mapped_bytes_;
    data_ = static_cast<T*>(std::align(huge, bytes(), aligned, space));
    ::madvise(aligned, bytes(), MADV_HUGEPAGE);  // advice: failing changes speed only
  }
#endif

  T* data_ = nullptr;
  std::size_t size_ = 0;
  void* mapped_ = nullptr;
  std::size_t mapped_bytes_ = 0;
};

}  // namespace verbatim
