#include "verbatim/core/philox.hpp"

#include "catch.hpp"

using namespace verbatim;

// The known answers that the authors publish with their reference implementation.
static_assert(philox({0, 0, 0, 0}, {0, 0}) == philox_counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
static_assert(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == philox_counter{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
static_assert(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              philox_counter{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

TEST_CASE("philox gives its published answers at run time") {
  philox_counter volatile_zero{};
  for (auto& w : volatile_zero.value) w = std::uint32_t(std::getenv("PATH") == nullptr ? 0 : 0);
  CHECK(philox(volatile_zero, philox_key_of(0)) == philox_counter{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox_key_of(0x299f31d0a4093822ull) == philox_key{0xa4093822, 0x299f31d0});
}

TEST_CASE("philox bits are balanced") {
  int ones[32] = {};
  int const n = 20000;
  for (int i = 0; i < n; ++i) {
    std::uint32_t const w = philox({std::uint32_t(i), 0, 0, 0}, {1, 2})[std::size_t(i % 4)];
    for (int b = 0; b < 32; ++b) ones[b] += int(w >> b & 1);
  }
  for (int b = 0; b < 32; ++b) CHECK(std::abs(ones[b] - n / 2) < 5 * 71);   // five standard deviations of sqrt(n) / 2
}
