// A weight_source without a checkpoint: seeded random weights of a configuration, for benchmarks and tests.
// Deterministic: an element depends on the seed, its tensor's name and its index only (SplitMix64 as a counter-based
// generator), not on the order, the platform or the number of threads. Scales keep activations and logits sane: matrices
// have variance 1 / fan-in, those that write to the residual stream less, logits a spread of about 3; norms are ones.
// Cost: a few nanoseconds per element, shared by all cores in large tensors, and memory for one tensor at a time: data is valid during the
// visit only.
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "verbatim/core/bf16.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/model/config.hpp"
#include "verbatim/numerics/contract.hpp"
#include "verbatim/weights/concept.hpp"
#include "verbatim/weights/expected.hpp"

namespace verbatim::weights {

namespace detail {

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
  try {
    for (; count - first > each; first += each) others.emplace_back([&f, first, each] { f(first, first + each); });
  } catch (std::system_error const&) {}   // what is left is the calling thread's
  f(first, count);
  for (std::thread& t : others) t.join();
}

inline std::uint64_t key_of(std::uint64_t seed, std::string_view name) noexcept {
  std::uint64_t h = digest_of({seed});
  for (char c : name) h = digest_of({std::uint64_t(static_cast<unsigned char>(c))}, h);
  return mix(h);
}

}  // namespace detail

class random_weights {
 public:
  /// `threads` (0: one per core) share each tensor of `shared_elements` or more.
  explicit random_weights(model_config config, std::uint64_t seed = 0, std::uint64_t version = 0, unsigned threads = 0)
      : config_(std::move(config)), seed_(seed), version_(version), threads_(threads ? threads : std::max(1u, std::thread::hardware_concurrency())) {}
  static constexpr std::size_t shared_elements = std::size_t(1) << 20;   ///< below, starting threads takes longer than they save

  model_config const& config() const noexcept { return config_; }
  std::uint64_t version() const noexcept { return version_; }

  /// Visits every tensor of expected_tensors(config), in the config's dtype.
  void each(void (*visit)(tensor const&, void*), void* self) const {
    auto const list = expected_tensors(config_);
    std::size_t largest = 0;
    for (auto const& t : list) largest = std::max(largest, std::size_t(t.shape.elements()));
    std::unique_ptr<std::byte[]> const buffer(new std::byte[largest * size_of(config_.type)]);
    for (auto const& t : list) {
      fill(t, buffer.get());
      visit({t.name, config_.type, t.shape, buffer.get()}, self);
    }
  }

 private:
  float deviation(expected_tensor const& t) const noexcept {
    float const fan_in = t.shape.rank == 2 ? float(t.shape.size[1]) : 1.0f;
    if (t.as == role::bias) return 0.1f;
    if (t.as == role::embedding) return config_.tied ? 3.0f / std::sqrt(fan_in) : 1.0f;
    if (t.as == role::head) return 3.0f / std::sqrt(fan_in);
    bool const writes = t.name.find("o_proj") != t.name.npos || t.name.find("down_proj") != t.name.npos;
    return 1.0f / std::sqrt(fan_in * (writes ? 2.0f * float(config_.layers) : 1.0f));
  }
  void fill(expected_tensor const& t, std::byte* out) const {
    if (config_.type == dtype::f32) fill_as<float>(t, out);
    else if (config_.type == dtype::bf16) fill_as<bf16>(t, out);
    else fill_as<f16>(t, out);
  }
  template <class T> void fill_as(expected_tensor const& t, std::byte* out) const {
    auto* const values = reinterpret_cast<T*>(out);   // new std::byte[] is aligned for every fundamental type
    auto const count = std::size_t(t.shape.elements());
    if (t.as == role::norm) return std::fill(values, values + count, detail::stored<T>(1.0f));
    std::uint64_t const key = detail::key_of(seed_, t.name);
    float const scale = deviation(t);
    detail::in_ranges(count, count < shared_elements ? 1 : threads_, [&](std::size_t first, std::size_t end) { detail::fill_uniform(values, first, end, key, scale); });
  }

  model_config config_;
  std::uint64_t seed_, version_;
  unsigned threads_;
};
static_assert(weight_source<random_weights>);

}  // namespace verbatim::weights
