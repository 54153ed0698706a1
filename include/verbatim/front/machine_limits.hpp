// What a machine can do at most, as numbers that measurements are held against.
#pragma once
#include <algorithm>

namespace verbatim {

/// Measured beside what is held against it (front/limits.hpp, front/gpu_limits.hpp). Zero: not measured.
struct machine_limits {
  double read_gb_per_second = 0, gflop_per_second = 0;
};

/// The larger of each: disturbances only slow, so of two measurements of one machine it is nearer to what that can do.
inline machine_limits best_of(machine_limits const& a, machine_limits const& b) {
  return {std::max(a.read_gb_per_second, b.read_gb_per_second), std::max(a.gflop_per_second, b.gflop_per_second)};
}

/// How far two measurements of one machine lie apart: of each number by which part the smaller is below the larger, and of these the larger;
/// 0 to 1. A number that one of the two lacks counts for 1, one that both lack for 0.
inline double change(machine_limits const& a, machine_limits const& b) {
  auto const apart = [](double x, double y) { return std::max(x, y) > 0 ? 1 - std::min(x, y) / std::max(x, y) : 0; };
  return std::max(apart(a.read_gb_per_second, b.read_gb_per_second), apart(a.gflop_per_second, b.gflop_per_second));
}

}  // namespace verbatim
