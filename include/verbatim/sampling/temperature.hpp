// Divides every logit by the request's temperature. At 0 (greedy) and 1 it changes nothing and costs nothing.
// A division as IEEE 754 has it, for every logit and temperature, which is a trainer's: a product with the reciprocal would differ in
// the last bit, and one that is corrected by fma does so where reciprocal, product or remainder leave the normal range.
#pragma once
#include "verbatim/sampling/concepts.hpp"

namespace verbatim {

/// Logit op. Reads sampling_params::temperature (>= 0).
struct temperature {
  static constexpr int revision = 2;
  struct params { float value = 1; };
  static params prepare(sampling_params const& p, row_history const&) { return p.temperature > 0 ? params{p.temperature} : params{}; }
  static constexpr bool active(params const& p) { return p.value != 1; }
  static float apply(params const& p, score s) { return s.value / p.value; }
};

}  // namespace verbatim
