// The bodies of random_weights.hpp (core/separate.hpp says who includes this).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>

#include "verbatim/core/bf16.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/weights/expected.hpp"
#include "verbatim/weights/random_values.hpp"
#include "verbatim/weights/random_weights.hpp"

namespace verbatim::weights {

template <class T> void random_weights::fill_as(expected_tensor const& t, std::byte* out) const {
  auto* const values = reinterpret_cast<T*>(out);   // new std::byte[] is aligned for every fundamental type
  auto const count = std::size_t(t.shape.elements());
  if (t.as == role::norm) return std::fill(values, values + count, detail::stored<T>(1.0f));
  unsigned const threads = count < shared_elements ? 1 : threads_ ? threads_ : std::max(1u, std::thread::hardware_concurrency());
  std::uint64_t const key = detail::key_of(seed_, t.name);
  float const scale = deviation(t);
  detail::in_ranges(count, threads, [&](std::size_t first, std::size_t end) { detail::fill_uniform(values, first, end, key, scale); });
}

VERBATIM_BODY void random_weights::each(void (*visit)(tensor const&, void*), void* self) const {
  auto const list = expected_tensors(config_);
  std::size_t largest = 0;
  for (auto const& t : list) largest = std::max(largest, std::size_t(t.shape.elements()));
  std::unique_ptr<std::byte[]> const buffer(new std::byte[largest * size_of(config_.type)]);
  for (auto const& t : list) {
    fill(t, buffer.get());
    visit({t.name, config_.type, t.shape, buffer.get()}, self);
  }
}

VERBATIM_BODY float random_weights::deviation(expected_tensor const& t) const noexcept {
  float const fan_in = t.shape.rank == 2 ? float(t.shape.size[1]) : 1.0f;
  if (t.as == role::bias) return 0.1f;
  if (t.as == role::embedding) return config_.tied ? 3.0f / std::sqrt(fan_in) : 1.0f;
  if (t.as == role::head) return 3.0f / std::sqrt(fan_in);
  bool const writes = t.name.find("o_proj") != t.name.npos || t.name.find("down_proj") != t.name.npos;
  return 1.0f / std::sqrt(fan_in * (writes ? 2.0f * float(config_.layers) : 1.0f));
}

VERBATIM_BODY void random_weights::fill(expected_tensor const& t, std::byte* out) const {
  if (config_.type == dtype::f32) fill_as<float>(t, out);
  else if (config_.type == dtype::bf16) fill_as<bf16>(t, out);
  else fill_as<f16>(t, out);
}

}  // namespace verbatim::weights
