// Memory that kernels of the tests read and write: the host's, aligned as a device's is, and known by its addresses, so that a launch on a
// device finds what its parameters point into (mirror.hpp).
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <new>
#include <random>
#include <vector>

#include "verbatim/simt/grid.hpp"

namespace kernel_tests {

using verbatim::bf16;
using verbatim::simt::global;

/// One allocation. Elements of two copies of it are the same where their bits are, or where both are NaN: which NaN is no kernel's promise.
struct block {
  std::size_t bytes = 0;
  bool (*same)(void const*, void const*, std::size_t bytes) = nullptr;
};
/// All that live, by their first byte.
inline std::map<std::uintptr_t, block>& blocks() {
  static std::map<std::uintptr_t, block> all;
  return all;
}

template <class T> bool same_element(T const& a, T const& b) {
  if (std::memcmp(&a, &b, sizeof(T)) == 0) return true;
  if constexpr (std::is_same_v<T, float> || std::is_same_v<T, bf16>) return std::isnan(verbatim::to_float(a)) && std::isnan(verbatim::to_float(b));
  else return false;
}

template <class T> struct known_allocator {
  using value_type = T;
  known_allocator() = default;
  template <class U> known_allocator(known_allocator<U> const&) {}
  T* allocate(std::size_t n) {
    void* const p = ::operator new(n * sizeof(T) + 1, std::align_val_t(256));
    blocks()[reinterpret_cast<std::uintptr_t>(p)] = {n * sizeof(T), [](void const* a, void const* b, std::size_t bytes) {
      for (std::size_t i = 0; i < bytes / sizeof(T); ++i)
        if (!same_element(static_cast<T const*>(a)[i], static_cast<T const*>(b)[i])) return false;
      return true;
    }};
    return static_cast<T*>(p);
  }
  void deallocate(T* p, std::size_t) {
    blocks().erase(reinterpret_cast<std::uintptr_t>(p));
    ::operator delete(p, std::align_val_t(256));
  }
  bool operator==(known_allocator const&) const = default;
};
template <class T> using buffer = std::vector<T, known_allocator<T>>;

template <class T> global<T> span_of(buffer<T>& v) { return {v.data(), v.size()}; }
template <class T> global<T const> span_of(buffer<T> const& v) { return {v.data(), v.size()}; }

/// What converts to a kernel's parameter.
template <class T> struct memory {
  explicit memory(std::size_t n, T fill = {}) : values(n, fill), size(n) {}
  T* data() { return values.data(); }
  T& operator[](std::size_t i) { return values[i]; }
  operator global<T>() { return {data(), size}; }
  operator global<T const>() { return {data(), size}; }
  buffer<T> values;
  std::size_t size;
};
template <class T> memory<T> random_values(std::size_t n, std::uint32_t seed, float scale = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, scale);
  memory<T> m(n);
  for (std::size_t i = 0; i < n; ++i) m[i] = verbatim::from_float<T>(normal(random));
  return m;
}
template <class T> bool same(T const* a, T const* b, std::size_t n) { return std::memcmp(a, b, n * sizeof(T)) == 0; }
template <class T> bool same(memory<T>& a, memory<T>& b) { return a.size == b.size && same(a.data(), b.data(), a.size); }

}  // namespace kernel_tests
