// POST /v1/chat/completions, the request: JSON to a struct at once. conversation.hpp says how it becomes a prompt.
#pragma once
#include "verbatim/protocol/openai/conversation.hpp"
#include "verbatim/protocol/openai/sampling_fields.hpp"

namespace verbatim::openai_v1 {

struct chat_request {
  generation_fields common{};
  conversation talk{};
};

/// Reads the body of a chat completion. What is wrong goes to the report of `f`.
inline chat_request read_chat(fields& f, model_card const& card, request_bounds const& bounds, chat_rules const& rules) {
  chat_request r;
  r.common = read_generation(f, card, bounds);
  r.talk = read_conversation(f, bounds, rules);
  r.common.special_tokens = r.talk.special_tokens;
  auto const newer = f.integer("max_completion_tokens", 1, int_max), older = f.integer("max_tokens", 1, int_max);
  if (newer || older) r.common.max_tokens = int(newer ? *newer : *older);
  fit_forced(f, r.common);
  bool const logprobs = f.boolean("logprobs").value_or(false);
  r.common.message_bundle = f.boolean("return_message_token_ids");
  if (r.common.message_bundle.value_or(false) && !logprobs) f.add("return_message_token_ids", "only with logprobs: true");
  auto const top = f.integer("top_logprobs", 0, card.max_logprobs);
  if (top.value_or(0) > 0 && !logprobs) f.add("top_logprobs", "only with logprobs: true");
  if (logprobs && f.is_null("top_logprobs")) f.add("top_logprobs", "null says neither how many nor none; leave it out or give a number", "null_value");
  if (logprobs) r.common.ask.top_logprobs = int(top.value_or(0));
  f.refuse({"audio", "web_search_options", "input_ids", "extra_key"});
  f.only("echo", [](json const& v) { return v == false; }, "only on /v1/completions");
  f.only("modalities", [](json const& v) { return v == json::array({"text"}); }, "only [\"text\"] is offered");
  f.only("include_reasoning", [](json const& v) { return v == true; }, "only true is offered");
  f.ignore({"verbosity", "separate_reasoning", "stream_reasoning", "reasoning_format", "moderation"});
  return r;
}

}  // namespace verbatim::openai_v1
