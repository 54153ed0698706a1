// Philox4x32-10, a counter-based random generator: 128 bits of counter and 64 of key give 128 random bits, no state.
// Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3" (2011); checked against its known answers.
// Cost: 20 multiplications for four words. The same bits on every host and device.
#pragma once
#include <cstddef>
#include <cstdint>

#include "verbatim/core/host_device.hpp"

namespace verbatim {

/// Words; as std::array, whose members are not marked for devices.
template <int N> struct philox_words {
  std::uint32_t value[N];
  VERBATIM_HD constexpr std::uint32_t operator[](std::size_t i) const noexcept { return value[i]; }
  friend constexpr bool operator==(philox_words const&, philox_words const&) = default;
};
using philox_counter = philox_words<4>;
using philox_key = philox_words<2>;

inline constexpr std::uint32_t philox_multiplier[2] = {0xD2511F53u, 0xCD9E8D57u};
inline constexpr std::uint32_t philox_weyl[2] = {0x9E3779B9u, 0xBB67AE85u};   // golden ratio, sqrt(3) - 1

/// Four random words of `counter` under `key`; a bijection of the counter for each key.
VERBATIM_HD constexpr philox_counter philox(philox_counter c, philox_key k) noexcept {
  for (int round = 0; round < 10; ++round) {
    constexpr std::uint64_t multiplier[2] = {philox_multiplier[0], philox_multiplier[1]};   // arrays of a namespace are the host's
    constexpr std::uint32_t weyl[2] = {philox_weyl[0], philox_weyl[1]};
    std::uint64_t const p0 = multiplier[0] * c[0];
    std::uint64_t const p1 = multiplier[1] * c[2];
    c = {std::uint32_t(p1 >> 32) ^ c[1] ^ k[0], std::uint32_t(p1), std::uint32_t(p0 >> 32) ^ c[3] ^ k[1],
         std::uint32_t(p0)};
    k = {k[0] + weyl[0], k[1] + weyl[1]};
  }
  return c;
}

VERBATIM_HD constexpr philox_key philox_key_of(std::uint64_t seed) noexcept {
  return {std::uint32_t(seed), std::uint32_t(seed >> 32)};
}

}  // namespace verbatim
