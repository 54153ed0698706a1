// The machine's ceilings, measured with the library's own vectors and threads in the same run as what is held against them:
// reading memory, and multiply-accumulate from registers. On a shared machine they drift, so measure them alternately.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <vector>

#include "verbatim/backend/cpu/simd.hpp"
#include "verbatim/backend/cpu/threads.hpp"
#include "verbatim/backend/memory.hpp"
#include "verbatim/front/limits.hpp"

namespace limits {

using namespace verbatim;
using vector = cpu::vector_of<cpu::native>;

inline double seconds_of(auto&& f) {
  auto const start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

inline void keep(vector v) {
  alignas(64) static thread_local float sink[16];
  v.store(sink);
  asm volatile("" : : "r"(sink) : "memory");
}

/// 200 MB that are really there, for read_rate.
inline aligned_array<std::uint32_t> memory_to_read() {
  aligned_array<std::uint32_t> memory(std::size_t(50) << 20);
  for (std::size_t i = 0; i < memory.size(); i += 1024) memory.data()[i] = 1;
  return memory;
}

/// Bytes per second of one pass over `memory`, each thread over consecutive pieces.
inline double read_rate(cpu::pool& pool, aligned_array<std::uint32_t> const& memory) {
  int const pieces = pool.threads() * 8;
  std::size_t const words = memory.size() / std::size_t(pieces) / 128 * 128;
  double const t = seconds_of([&] {
    pool.run(pieces, [&](int piece, int) {
      std::uint32_t const* const p = memory.data() + std::size_t(piece) * words;
      vector a[8];
      for (auto& x : a) x = vector(0.0f);
      for (std::size_t i = 0; i < words; i += 128)
        cpu::repeat<8>([&](auto j) { a[j] = max(a[j], vector::load_words(p + i + j * 16)); });
      for (auto& x : a) keep(x);
    });
  });
  return double(words) * 4 * pieces / t;
}

/// Operations per second (two per product) of T's products from registers, on all threads.
template <class T> double arithmetic_rate(cpu::pool& pool) {
  std::vector<double> rates(std::size_t(pool.threads()));
  std::atomic<float> sink{0};
  pool.run(pool.threads(), [&](int i, int) { rates[std::size_t(i)] = verbatim::detail::product_rate<cpu::native, T>(0.05, sink); });
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

}  // namespace limits
