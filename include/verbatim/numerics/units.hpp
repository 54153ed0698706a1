// Sums that have no order: values from 0 to 8 as multiples of 2^-42, rounded to the nearest, added up as integers of 64 bits. So a row
// may be cut anywhere and its parts added by whoever comes first. Room for 2^22 values that average 1; a sum of n of them is off by
// n * 2^-43 at most.
#pragma once
#include <cstdint>

#include "verbatim/core/host_device.hpp"

namespace verbatim {

/// Adding it moves a value to where doubles are 2^-42 apart; the sum's bits, less those of the shift, are the number of units.
inline constexpr double unit_shift = 0x1.8p10;
inline constexpr std::uint64_t unit_origin = bits_as<std::uint64_t>(unit_shift);

VERBATIM_HD inline std::uint64_t units_of(float v) noexcept { return bits_as<std::uint64_t>(double(v) + unit_shift) - unit_origin; }
VERBATIM_HD inline double value_of_units(std::uint64_t n) noexcept { return double(n) * 0x1p-42; }

}  // namespace verbatim
