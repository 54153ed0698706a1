// Sums whose order is a fixed tree: sixteen lanes stride over the data, then fold in halves. The order depends on the
// length alone, never on vector width, threads or company. Guarantee: layout_invariant.
#pragma once
#include <cstddef>

namespace verbatim {

/// Lanes of every fixed tree, on every device.
inline constexpr int tree_lanes = 16;

/// Folds sixteen partial sums: i with i+8, then i+4, i+2, i+1.
inline float tree_sum(float const (&lane)[tree_lanes]) noexcept {
  float a[8];
  for (int i = 0; i < 8; ++i) a[i] = lane[i] + lane[i + 8];
  for (int i = 0; i < 4; ++i) a[i] = a[i] + a[i + 4];
  for (int i = 0; i < 2; ++i) a[i] = a[i] + a[i + 2];
  return a[0] + a[1];
}

/// Sum of n floats: element i goes to lane i % 16 in ascending order, then the lanes fold.
inline float tree_sum(float const* x, std::size_t n) noexcept {
  float lane[tree_lanes] = {};
  for (std::size_t i = 0; i < n; ++i) lane[i % tree_lanes] = lane[i % tree_lanes] + x[i];
  return tree_sum(lane);
}

}  // namespace verbatim
