// Seeds of the continuations of one request: the first uses the request's own, the others independent ones.
#pragma once
#include <cstdint>

#include "verbatim/core/philox.hpp"

namespace verbatim {

/// The seed of continuation `index` >= 0 of a request with `seed`; index 0 is the seed itself.
constexpr std::uint64_t choice_seed(std::uint64_t seed, int index) noexcept {
  if (index == 0) return seed;
  auto const w = philox({std::uint32_t(index), 0, 0, 0x63686f69u /* another domain than the noise */}, philox_key_of(seed));
  return std::uint64_t(w[1]) << 32 | w[0];
}

}  // namespace verbatim
