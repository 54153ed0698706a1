// Keeps the smallest set of most likely tokens whose probability reaches p, on the distribution that the stages before
// left (temperature, top_k, ...). Ties with the last one are all kept. Off at 1 and at temperature 0.
// Masses are counted in multiples of 2^-35 of the largest probability, so that sums are exact in any order.
// Cost: one pass of exp and a bisection without sorting (detail/threshold.hpp).
#pragma once
#include "verbatim/sampling/concepts.hpp"
#include "verbatim/sampling/detail/threshold.hpp"

namespace verbatim {

/// Truncation. Reads sampling_params::top_p in (0, 1].
struct top_p {
  static constexpr int revision = 1;
  struct params { float p = 1; };
  static params prepare(sampling_params const& p, row_history const&) { return {p.temperature > 0 ? p.top_p : 1}; }
  static constexpr bool active(params const& p) { return p.p < 1; }
  static float threshold(params const& p, std::span<float const> row, float peak) {
    return detail::mass_threshold(row, peak, p.p);
  }
};

}  // namespace verbatim
