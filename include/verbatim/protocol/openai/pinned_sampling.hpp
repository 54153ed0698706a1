// A trainer's own sampling values, pinned by the server: a rollout that was sampled from another distribution than the trainer
// believes is worse than none.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "verbatim/protocol/fields.hpp"
#include "verbatim/sampling/params.hpp"

namespace verbatim::openai_v1 {

/// reject: a request must name temperature and top_p, as one of the pairs, and no top_k. override: whatever it names, it gets the
/// first pair, without top_k and min_p. Penalties, biases and seeds are the request's in any case. What the model's own
/// generation_config.json would set is nobody's: the trainer does not know of it.
enum class pinning : std::uint8_t { off, reject, override_request };

struct pinned_sampling {
  pinning mode = pinning::off;
  std::vector<std::pair<float, float>> allowed{};   ///< (temperature, top_p): training's, then e.g. validation's
};

inline void pin(fields& f, sampling_params& s, pinned_sampling const& p) {
  if (p.mode == pinning::off || p.allowed.empty()) return;
  if (p.mode == pinning::override_request) {
    s.temperature = p.allowed.front().first, s.top_p = p.allowed.front().second;
  } else {
    bool const among = std::find(p.allowed.begin(), p.allowed.end(), std::pair(s.temperature, s.top_p)) != p.allowed.end();
    bool const truncates = (f.find("top_k") && s.top_k != 0) || (f.find("min_p") && s.min_p != 0);
    if (!f.find("temperature") || !f.find("top_p") || !among || truncates)
      f.add("temperature", "this server takes only its own pairs of temperature and top_p, both given, and neither top_k nor min_p", "pinned_sampling");
  }
  s.top_k = 0, s.min_p = 0;
  if (!f.find("repetition_penalty")) s.repetition_penalty = 1;
}

}  // namespace verbatim::openai_v1
