// A trainer's own sampling values, pinned by the server: a rollout that was sampled from another distribution than the trainer
// believes is worse than none.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "verbatim/protocol/fields.hpp"
#include "verbatim/sampling/params.hpp"

namespace verbatim::openai_v1 {

/// reject: a request must name temperature and top_p, as one of the pairs, and nothing else that changes the distribution: no
/// top_k, min_p, penalties, biases, words kept out, least length. override: whatever it names, it gets the first pair and none of
/// these. Seeds are the request's in any case. What the model's own generation_config.json would set is nobody's: the trainer does
/// not know of it.
enum class pinning : std::uint8_t { off, reject, override_request };

struct pinned_sampling {
  pinning mode = pinning::off;
  std::vector<std::pair<float, float>> allowed{};   ///< (temperature, top_p): training's, then e.g. validation's
};

inline void pin(fields& f, sampling_params& s, pinned_sampling const& p) {
  if (p.mode == pinning::off || p.allowed.empty()) return;
  json const* const words = f.find("bad_words");
  if (words && words->is_array() && !words->empty()) f.add("bad_words", "not on this server, whose sampling is pinned", "pinned_sampling");
  if (p.mode == pinning::override_request) {
    s.temperature = p.allowed.front().first, s.top_p = p.allowed.front().second;
  } else {
    bool const among = std::find(p.allowed.begin(), p.allowed.end(), std::pair(s.temperature, s.top_p)) != p.allowed.end();
    if (!f.find("temperature") || !f.find("top_p") || !among) {
      std::string pairs;
      for (auto const& [temperature, top_p] : p.allowed) pairs += (pairs.empty() ? "" : ", or ") + json(temperature).dump() + " and " + json(top_p).dump();
      f.add(f.find("top_p") || !f.find("temperature") ? "temperature" : "top_p",
            "this server's sampling is pinned: temperature and top_p must be given, as " + pairs, "pinned_sampling");
    }
    auto const neutral = [&](char const* name, bool is) {
      if (f.find(name) && !is) f.add(name, "this server's sampling is pinned: leave it out", "pinned_sampling");
    };
    neutral("top_k", s.top_k == 0), neutral("min_p", s.min_p == 0);
    neutral("repetition_penalty", s.repetition_penalty == 1), neutral("presence_penalty", s.presence_penalty == 0);
    neutral("frequency_penalty", s.frequency_penalty == 0), neutral("logit_bias", s.logit_bias.empty());
    neutral("min_tokens", s.min_tokens == 0);
  }
  s.top_k = 0, s.min_p = 0, s.repetition_penalty = 1, s.presence_penalty = 0, s.frequency_penalty = 0, s.min_tokens = 0;
  s.logit_bias.clear();
}

}  // namespace verbatim::openai_v1
