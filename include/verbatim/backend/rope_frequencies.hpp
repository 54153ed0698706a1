// Angles per position of rotary embeddings, with the scalings "linear" and "llama3", rounded step by step in f32 as
// transformers does. Computed once, at construction.
#pragma once
#include <cmath>
#include <cstddef>
#include <vector>

#include "verbatim/core/model_config.hpp"

namespace verbatim {

/// The head_dim / 2 inverse frequencies of a checkpoint, scaled.
inline std::vector<float> rope_frequencies(model_config const& c) {
  std::vector<float> out(std::size_t(c.head_dim / 2));
  rope_scaling const& s = c.scaling;
  float const full_turn = 6.28318530717958647692f;
  for (std::size_t i = 0; i < out.size(); ++i) {
    float const exponent = float(2 * i) / float(c.head_dim);
    float f = 1.0f / float(std::pow(double(c.rope_theta), double(exponent)));
    if (s.type == rope_scaling::kind::linear) f /= s.factor;
    if (s.type == rope_scaling::kind::llama3) {
      // Long waves are slowed down by `factor`, short ones stay, those between are blended.
      float const wave = full_turn / f, original = float(s.original_context);
      if (wave > original / s.low_freq_factor) {
        f /= s.factor;
      } else if (wave >= original / s.high_freq_factor) {
        float const blend = (original / wave - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
        f = (1 - blend) * f / s.factor + blend * f;
      }
    }
    out[i] = f;
  }
  return out;
}

}  // namespace verbatim
