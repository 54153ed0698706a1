// Keeps the tokens whose probability is at least min_p times that of the most likely one: x >= peak + log(min_p).
// Off at 0 and at temperature 0. Cost: nothing beyond the masking pass.
#pragma once
#include "verbatim/sampling/concepts.hpp"
#include "verbatim/sampling/detail/log.hpp"

namespace verbatim {

/// Truncation. Reads sampling_params::min_p in [0, 1].
struct min_p {
  static constexpr int revision = 1;
  struct params { float log_ratio = masked; };
  static params prepare(sampling_params const& p, row_history const&) {
    return {p.temperature > 0 && p.min_p > 0 ? float(detail::log(double(p.min_p))) : masked};
  }
  static constexpr bool active(params const& p) { return p.log_ratio > masked; }
  static float threshold(params const& p, std::span<float const>, float peak) { return peak + p.log_ratio; }
};

}  // namespace verbatim
