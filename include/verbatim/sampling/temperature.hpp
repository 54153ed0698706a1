// Divides every logit by the request's temperature. At 0 (greedy) and 1 it changes nothing and costs nothing.
// A true division, as trainers do it: a product with the reciprocal differs in the last bit. Cost: one pass.
#pragma once
#include "verbatim/sampling/concepts.hpp"

namespace verbatim {

/// Logit op. Reads sampling_params::temperature (>= 0).
struct temperature {
  static constexpr int revision = 1;
  struct params { float value = 1; };
  static params prepare(sampling_params const& p, row_history const&) { return {p.temperature > 0 ? p.temperature : 1}; }
  static constexpr bool active(params const& p) { return p.value != 1; }
  static constexpr float apply(params const& p, score s) { return s.value / p.value; }
};

}  // namespace verbatim
