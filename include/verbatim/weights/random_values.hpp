// Seeded values for random_weights: SplitMix64 as a counter-based generator, in the types that checkpoints have.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <vector>

#include "verbatim/backend/cpu/affinity.hpp"
#include "verbatim/core/bf16.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/numerics/contract.hpp"

namespace verbatim::weights::detail {

/// SplitMix64's output function: a bijection whose values at successive counters pass as independent.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

/// Round to nearest even; NaN stays NaN; beyond the range infinity.
constexpr f16 to_f16(float x) noexcept {
  std::uint32_t const u = std::bit_cast<std::uint32_t>(x), sign = (u >> 16) & 0x8000u;
  std::uint32_t size = u & 0x7fffffffu;
  if (size > 0x7f800000u) return {std::uint16_t(sign | 0x7e00u)};
  if (size >= 0x477ff000u) return {std::uint16_t(sign | 0x7c00u)};
  if (size < 0x38800000u)   // subnormal: adding 0.5 rounds at 2^-24, the step of the result
    return {std::uint16_t(sign | (std::bit_cast<std::uint32_t>(std::bit_cast<float>(size) + 0.5f) - 0x3f000000u))};
  size += 0xfffu + ((size >> 13) & 1u);
  return {std::uint16_t(sign | ((size - (112u << 23)) >> 13))};
}

template <class T> constexpr T stored(float x) noexcept {
  if constexpr (std::is_same_v<T, f16>) return to_f16(x);
  else return from_float<T>(x);
}

/// Of uniform values of standard deviation `std`, four from each 64-bit word, those from `first`, a multiple of four, to `end`.
template <class T> void fill_uniform(T* out, std::size_t first, std::size_t end, std::uint64_t key, float std) noexcept {
  float const step = std * 1.7320508f / 32768.0f;
  for (std::size_t i = first; i < end; i += 4) {
    std::uint64_t const word = mix(key + (i / 4 + 1) * 0x9e3779b97f4a7c15ull);
    std::size_t const n = end - i < 4 ? end - i : 4;
    for (std::size_t j = 0; j < n; ++j)
      out[i + j] = stored<T>((float(std::int16_t(word >> (16 * j))) + 0.5f) * step);
  }
}

/// f(first, end) over ranges of [0, count), as even as multiples of four are, by `threads` threads, the calling one among them: which
/// does all where others cannot be started. f does not throw.
template <class F> void in_ranges(std::size_t count, unsigned threads, F const& f) {
  std::size_t const each = (count / 4 / std::max(threads, 1u) + 1) * 4;
  std::vector<std::thread> others;
  others.reserve(threads);
  std::size_t first = 0;
  auto const all = cpu::processors::of_this_thread();   // which may keep to one for an engine: the others would, too
  try {
    for (; count - first > each; first += each)
      others.emplace_back([&f, &all, first, each] {
        all.use_all();
        f(first, first + each);
      });
  } catch (std::system_error const&) {}   // what is left is the calling thread's
  f(first, count);
  for (std::thread& t : others) t.join();
}

inline std::uint64_t key_of(std::uint64_t seed, std::string_view name) noexcept {
  std::uint64_t h = digest_of({seed});
  for (char c : name) h = digest_of({std::uint64_t(static_cast<unsigned char>(c))}, h);
  return mix(h);
}

}  // namespace verbatim::weights::detail
