// Divides every logit by the request's temperature. At 0 (greedy) and 1 it changes nothing and costs nothing.
// The quotient is correctly rounded, as a trainer's division is: a product with the reciprocal would differ in the last
// bit. Where fma is an instruction, the reciprocal is corrected to the same quotient, at a fifth of a division's cost.
#pragma once
#include <cmath>

#include "verbatim/sampling/concepts.hpp"

namespace verbatim {

/// Logit op. Reads sampling_params::temperature (>= 0).
struct temperature {
  static constexpr int revision = 1;
  struct params {
    float value = 1;
    float inverse = 1;   ///< correctly rounded, as Markstein's correction step needs it
  };
  static params prepare(sampling_params const& p, row_history const&) {
    return p.temperature > 0 ? params{p.temperature, 1 / p.temperature} : params{};
  }
  static constexpr bool active(params const& p) { return p.value != 1; }
  static float apply(params const& p, score s) {
#if defined(__FMA__)
    float const q = s.value * p.inverse;
    float const corrected = std::fma(std::fma(-q, p.value, s.value), p.inverse, q);
    return corrected == corrected ? corrected : q;   // infinities have no remainder
#else
    return s.value / p.value;
#endif
  }
};

}  // namespace verbatim
