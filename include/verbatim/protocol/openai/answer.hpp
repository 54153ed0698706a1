// What answers of all endpoints have in common: identity, usage, how a choice ended, and server-sent events.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/protocol/mailbox.hpp"
#include "verbatim/protocol/openai/logprobs.hpp"
#include "verbatim/protocol/openai/provenance.hpp"
#include "verbatim/protocol/openai/message_delta.hpp"
#include "verbatim/protocol/wire.hpp"

namespace verbatim::openai_v1 {

/// What answers look like where a request does not say. The values of `gym` are what NVIDIA NeMo Gym and NeMo RL are built for.
struct answer_defaults {
  bool weight_versions = true;      ///< they say which weights sampled what
  bool tokens_as_ids = false;       ///< tokens in log-probabilities are named `token_id:N`
  bool message_bundles = false;     ///< messages with log-probabilities carry the ids that they were made from and became
  bool status_codes = false;        ///< an error's `code` is its status as a number
  bool exact_shape = false;         ///< whole chat answers have the keys that vLLM's have, null where there is nothing, and no others
};
inline constexpr answer_defaults gym{.weight_versions = false, .tokens_as_ids = true, .message_bundles = true, .status_codes = true, .exact_shape = true};

/// How an answer is to look; fixed when the request is accepted.
struct answer_shape {
  std::string id{}, model{}, fingerprint{};
  std::vector<std::string> names{};               ///< that the client gave the request
  std::int64_t created = 0;
  bool stream = false, include_usage = false, continuous_usage = false;
  bool token_ids = false, tokens_as_ids = false, logprobs = false, prompt_logprobs = false, echo = false;
  int prompts = 1, count = 1;
  std::vector<std::vector<token>> prompt_ids{};   ///< of each prompt, kept where they are shown
  std::vector<std::string> prompt_text{};         ///< of each prompt, for echo
  bool bundle = false, exact = false, status_codes = false;   ///< see answer_defaults
  bool raw_logprobs = false;                      ///< beside the processed ones
  weight_versions const* versions = nullptr;      ///< where the answer says which weights sampled what; null: it does not
  std::vector<token> stop_ids{};                  ///< the request's own stop tokens (not end of sequence)
  output_rules output{};                          ///< for the filter of each choice
};

struct usage {
  int prompt_tokens = 0, completion_tokens = 0, cached_tokens = 0;
  int reasoning_tokens = 0;   ///< of the completion tokens
};

inline void put_usage(std::string& out, usage const& u) {
  out += "{\"prompt_tokens\":";
  wire::put_integer(out, u.prompt_tokens);
  out += ",\"completion_tokens\":";
  wire::put_integer(out, u.completion_tokens);
  out += ",\"total_tokens\":";
  wire::put_integer(out, u.prompt_tokens + u.completion_tokens);
  out += ",\"prompt_tokens_details\":{\"cached_tokens\":";
  wire::put_integer(out, u.cached_tokens);
  out += "},\"completion_tokens_details\":{\"reasoning_tokens\":";
  wire::put_integer(out, u.reasoning_tokens);
  out += "}}";
}

/// One choice while it grows. In a stream the pending part goes out with every event, else it gathers to the end: a
/// whole answer is the same sum of the same pieces.
template <class Filter> struct choice_state {
  Filter filter{};
  message_delta delta{};           ///< pending
  std::string logprobs{};          ///< pending entries of chat, joined by commas
  legacy_logprobs legacy{};        ///< pending entries of completions
  std::vector<token> ids{};        ///< pending output ids
  bool started = false, finished = false;
  finish_reason finish = finish_reason::none;
  std::string stop_reason = "null";   ///< JSON: the stop string or stop token that the request asked for
  std::vector<kept_score> prompt{};
  provenance origin{};
  std::string bundle_ids{}, bundle_logprobs{};   ///< of the whole output, joined by commas
  int tokens = 0;
  clock::time_point last{};
};

/// A request that was stopped from outside has what it has: `abort` is no error.
inline std::string_view finish_name(finish_reason r) noexcept {
  return r == finish_reason::length ? "length" : r == finish_reason::cancelled ? "abort" : "stop";
}

/// At the end of a choice: where its tokens come from.
template <class Choice> void put_origin(std::string& out, Choice const& c, answer_shape const& shape) {
  if (shape.versions) c.origin.put_versions(out, *shape.versions);
  c.origin.put_forced(out);
}

/// vLLM's `stop_reason`: a stop string, a stop token of the request, or null for the model's own end.
inline std::string stop_reason_of(kept_event const& e, answer_shape const& shape) {
  std::string out;
  if (!e.stop_text.empty()) {
    wire::put_string(out, e.stop_text);
    return out;
  }
  for (token id : shape.stop_ids)
    if (id == e.stop_token) return std::to_string(id);
  return "null";
}

/// `"id":…,"object":…,"created":…,"model":…,"system_fingerprint":…,`
inline void put_identity(std::string& out, answer_shape const& shape, std::string_view object) {
  out += "\"id\":";
  wire::put_string(out, shape.id);
  out.append(",\"object\":\"").append(object).append("\",\"created\":");
  wire::put_integer(out, shape.created);
  out += ",\"model\":";
  wire::put_string(out, shape.model);
  out += ",\"system_fingerprint\":";
  wire::put_string(out, shape.fingerprint);
  out += ',';
}

inline constexpr std::string_view sse_done = "data: [DONE]\n\n";
inline void put_event(std::string& out, std::string_view body) { out.append("data: ").append(body).append("\n\n"); }

}  // namespace verbatim::openai_v1
