// Floats as integers of the same order, for searching among all of them.
#pragma once
#include <cstdint>

#include "verbatim/core/host_device.hpp"

namespace verbatim {

/// NaN excluded; -0 is below +0.
VERBATIM_HD constexpr std::uint32_t key_of(float x) noexcept {
  std::uint32_t const u = bits_as<std::uint32_t>(x);
  return u & 0x80000000u ? ~u : u | 0x80000000u;
}
VERBATIM_HD constexpr float from_key(std::uint32_t k) noexcept { return bits_as<float>(k & 0x80000000u ? k & 0x7fffffffu : ~k); }

}  // namespace verbatim
