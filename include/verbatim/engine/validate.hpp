// Is a request one that the engine can carry out? Fronts give better messages with the caller's own field names; this
// is the last gate, so that no request from whatever front can harm the others.
#pragma once
#include <cmath>
#include <string>

#include "verbatim/engine/request.hpp"

namespace verbatim {

/// What an engine can take.
struct request_limits {
  int vocabulary;        ///< ids are below this
  int context;           ///< tokens of a sequence, prompt and output together
  int max_logprobs;      ///< alternatives per token
  int max_count = 1024;  ///< continuations per request
  bool has_text = true;  ///< the model brings a tokenizer
};

/// Empty when the request is fine, else why not, as one sentence.
inline std::string why_invalid(request const& r, request_limits const& limits) {
  auto const bad_id = [&](token id) { return id < 0 || id >= limits.vocabulary; };
  auto const ids = [&](std::vector<token> const& v) {
    for (token id : v)
      if (bad_id(id)) return true;
    return false;
  };
  sampling_params const& s = r.sampling;
  if (r.prompt.empty()) return "the prompt has no tokens";
  if (ids(r.prompt)) return "the prompt has a token id outside of the vocabulary";
  if (int(r.prompt.size()) + (r.max_tokens > 0) > limits.context)
    return "the prompt has " + std::to_string(r.prompt.size()) + " tokens, a sequence may have " + std::to_string(limits.context);
  if (r.max_tokens < 0) return "max_tokens is negative";
  if (ids(r.forced)) return "a forced token id is outside of the vocabulary";
  if (r.forced.size() > std::size_t(r.max_tokens)) return "more tokens are forced than max_tokens allows";
  if (r.prompt.size() + r.forced.size() > std::size_t(limits.context))
    return "prompt and forced tokens are " + std::to_string(r.prompt.size() + r.forced.size()) + ", a sequence may have " + std::to_string(limits.context);
  if (r.count < 1 || r.count > limits.max_count) return "count is outside of 1.." + std::to_string(limits.max_count);
  if (r.top_logprobs > limits.max_logprobs || r.prompt_logprobs > limits.max_logprobs)
    return "more than " + std::to_string(limits.max_logprobs) + " alternatives per token";
  if (!(s.temperature >= 0) || !std::isfinite(s.temperature)) return "temperature is not a number >= 0";
  if (!(s.top_p > 0 && s.top_p <= 1)) return "top_p is outside of (0, 1]";
  if (!(s.min_p >= 0 && s.min_p <= 1)) return "min_p is outside of [0, 1]";
  if (s.top_k < 0) return "top_k is negative";
  if (!(s.repetition_penalty > 0) || !std::isfinite(s.repetition_penalty)) return "repetition_penalty is not a number > 0";
  if (!std::isfinite(s.presence_penalty) || !std::isfinite(s.frequency_penalty)) return "a penalty is not finite";
  for (auto const& [id, bias] : s.logit_bias)
    if (bad_id(id) || std::isnan(bias)) return "logit_bias names an id outside of the vocabulary or is not a number";
  for (auto const& words : s.bad_words)
    if (words.empty() || ids(words)) return "bad_words has an empty entry or an id outside of the vocabulary";
  if (ids(r.stop_token_ids)) return "stop_token_ids has an id outside of the vocabulary";
  if (!r.stop.empty() && !limits.has_text) return "stop strings need a tokenizer, and this model has none";
  for (auto const& text : r.stop)
    if (text.empty()) return "a stop string is empty";
  return {};
}

}  // namespace verbatim
