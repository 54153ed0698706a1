// POST /v1/chat/completions, the request: JSON to a struct at once, then template and tokenizer to a prompt.
// `Chat` is a chat template (render(messages, tools, kwargs, options)), `Text` a tokenizer; neither is named here, so a
// test can stand in for both.
#pragma once
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/protocol/openai/messages.hpp"
#include "verbatim/protocol/openai/sampling_fields.hpp"

namespace verbatim::openai_v1 {

/// The conversation and how to render it: shared by chat and /tokenize.
struct conversation {
  json messages{}, tools{}, kwargs = json::object();
  bool add_generation_prompt = true, continue_final_message = false;
  bool special_tokens = false;
  bool parse_calls = false, parallel_calls = true;   ///< tool calls of the answer: whether to find any, and more than one
};

struct chat_request {
  generation_fields common{};
  conversation talk{};
};

/// Reads messages, tools and what goes to the template.
inline conversation read_conversation(fields& f, request_bounds const& bounds) {
  conversation c;
  c.messages = read_messages(f, bounds);
  c.tools = read_tools(f, bounds);
  c.parse_calls = !c.tools.is_null() && !detail::one_of(f.find("tool_choice"), {"none"});
  c.parallel_calls = f.boolean("parallel_tool_calls").value_or(true);
  c.continue_final_message = f.boolean("continue_final_message").value_or(false);
  auto const generation_prompt = f.boolean("add_generation_prompt");
  c.add_generation_prompt = generation_prompt.value_or(!c.continue_final_message);
  if (c.continue_final_message && generation_prompt.value_or(false))
    f.add("continue_final_message", "not together with add_generation_prompt: true");
  c.special_tokens = f.boolean("add_special_tokens").value_or(false);
  if (auto const effort = f.text("reasoning_effort", 16)) {
    json const v = *effort;
    if (!detail::one_of(&v, {"none", "minimal", "low", "medium", "high", "xhigh", "max"}))
      f.add("reasoning_effort", "expected none, minimal, low, medium, high, xhigh or max, found " + excerpt(v));
    c.kwargs["reasoning_effort"] = *effort;
    c.kwargs["enable_thinking"] = c.kwargs["thinking"] = *effort != "none";
  }
  if (json const* documents = f.array("documents", 1024)) c.kwargs["documents"] = *documents;
  if (json const* kwargs = f.object("chat_template_kwargs")) {
    if (kwargs->size() > 64) f.add("chat_template_kwargs", "more than 64 entries");
    for (auto const& [key, value] : kwargs->items()) {
      json const name = key;
      if (detail::one_of(&name, {"messages", "tools", "chat_template", "tokenize", "add_generation_prompt", "continue_final_message"}))
        f.add("chat_template_kwargs." + key, "has a field of its own");
      else if (c.kwargs.size() < 128)
        c.kwargs[key] = value;
    }
  }
  f.refuse({"chat_template"}, "templates in requests are not accepted; the model's own is used");
  return c;
}

/// Reads the body of a chat completion. What is wrong goes to the report of `f`.
inline chat_request read_chat(fields& f, model_card const& card, request_bounds const& bounds) {
  chat_request r;
  r.common = read_generation(f, card, bounds);
  r.talk = read_conversation(f, bounds);
  r.common.special_tokens = r.talk.special_tokens;
  auto const newer = f.integer("max_completion_tokens", 1, int_max), older = f.integer("max_tokens", 1, int_max);
  if (newer || older) r.common.max_tokens = int(newer ? *newer : *older);
  fit_forced(f, r.common);
  bool const logprobs = f.boolean("logprobs").value_or(false);
  auto const top = f.integer("top_logprobs", 0, card.max_logprobs);
  if (top.value_or(0) > 0 && !logprobs) f.add("top_logprobs", "only with logprobs: true");
  if (logprobs) r.common.ask.top_logprobs = int(top.value_or(0));
  f.refuse({"audio", "web_search_options", "input_ids", "extra_key"});
  f.only("echo", [](json const& v) { return v == false; }, "only on /v1/completions");
  f.only("modalities", [](json const& v) { return v == json::array({"text"}); }, "only [\"text\"] is offered");
  f.only("include_reasoning", [](json const& v) { return v == true; }, "only true is offered");
  f.ignore({"verbosity", "separate_reasoning", "stream_reasoning", "reasoning_format", "moderation"});
  return r;
}

/// Renders and tokenises. An error names what the template or the tokenizer did not like.
template <class Text, class Chat>
std::optional<api_error> tokenise(conversation const& talk, Text const& text, Chat const* chat, std::vector<token>& out) {
  if (!chat)
    return api_error{400, "this model brings no chat template; use /v1/completions", "messages", "no_chat_template"};
  std::string prompt;
  try {
    prompt = chat->render(talk.messages, talk.tools, talk.kwargs,
                          {.add_generation_prompt = talk.add_generation_prompt, .continue_final_message = talk.continue_final_message});
  } catch (error const& e) {
    return api_error{400, "the chat template refused: " + std::string(wire::utf8_prefix(e.message(), problems::message_bytes)), "messages", "template_error"};
  }
  if (talk.special_tokens) text.encode_with_special(prompt, out); else text.encode(prompt, out);
  if (out.empty()) return api_error{400, "the rendered prompt has no tokens", "messages"};
  return std::nullopt;
}

}  // namespace verbatim::openai_v1
