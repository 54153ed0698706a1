#include "verbatim/core/bf16.hpp"

#include <cmath>

#include "catch.hpp"

using verbatim::bf16;
using verbatim::f16;

TEST_CASE("core/bf16.hpp: every bf16 survives the way through f32", "[core]") {
  int wrong = 0;
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    bf16 const x{std::uint16_t(bits)};
    float const f = verbatim::to_float(x);
    bf16 const back = verbatim::to_bf16(f);
    if (std::isnan(f)) wrong += !std::isnan(verbatim::to_float(back));
    else wrong += back != x;
  }
  CHECK(wrong == 0);
}

TEST_CASE("core/bf16.hpp: rounding is to nearest, ties to even", "[core]") {
  CHECK(verbatim::to_bf16(1.0f) == bf16{0x3f80});
  CHECK(verbatim::to_bf16(std::bit_cast<float>(0x3f808000u)) == bf16{0x3f80});  // tie, even below
  CHECK(verbatim::to_bf16(std::bit_cast<float>(0x3f818000u)) == bf16{0x3f82});  // tie, even above
  CHECK(verbatim::to_bf16(std::bit_cast<float>(0x3f808001u)) == bf16{0x3f81});
  CHECK(verbatim::to_bf16(3.4e38f) == bf16{0x7f80});                            // beyond the largest: infinity
}

TEST_CASE("core/bf16.hpp: f16 widens exactly", "[core]") {
  int wrong = 0;
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    int const exponent = int(bits >> 10 & 31), mantissa = int(bits & 0x3ff);
    float const f = verbatim::to_float(f16{std::uint16_t(bits)});
    if (exponent == 31) {
      wrong += mantissa == 0 ? !std::isinf(f) : !std::isnan(f);
      continue;
    }
    double const magnitude = exponent ? std::ldexp(1024 + mantissa, exponent - 25) : std::ldexp(mantissa, -24);
    wrong += double(f) != (bits & 0x8000 ? -magnitude : magnitude) || std::signbit(f) != bool(bits & 0x8000);
  }
  CHECK(wrong == 0);
}
