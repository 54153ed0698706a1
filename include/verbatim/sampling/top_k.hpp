// Keeps the k most likely tokens. Ties with the k-th are all kept, so that the set does not depend on an order of ids.
// Off at 0, at the vocabulary's size and beyond, and at temperature 0. Cost: a bisection without sorting (detail/threshold.hpp).
#pragma once
#include "verbatim/sampling/concepts.hpp"
#include "verbatim/sampling/detail/threshold.hpp"

namespace verbatim {

/// Truncation. Reads sampling_params::top_k (0: off).
struct top_k {
  static constexpr int revision = 1;
  struct params { int k = 0; };
  static params prepare(sampling_params const& p, row_history const&) { return {p.temperature > 0 ? p.top_k : 0}; }
  static constexpr bool active(params const& p) { return p.k > 0; }
  static float threshold(params const& p, std::span<float const> row, float peak) {
    return std::size_t(p.k) >= row.size() ? masked : detail::count_threshold(row, peak, p.k);
  }
};

}  // namespace verbatim
