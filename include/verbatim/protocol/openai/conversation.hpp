// A conversation as chat and /tokenize take it, and the one way from it to a prompt: template, tokenizer, and, where earlier
// turns bring the ids that were fed and sampled, the splice that makes the prompt begin with exactly these.
#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/protocol/openai/exact_prompt.hpp"
#include "verbatim/protocol/openai/messages.hpp"
#include "verbatim/protocol/openai/sampling_fields.hpp"
#include "verbatim/text/jinja/template.hpp"

namespace verbatim::openai_v1 {

/// What a server knows about conversations with its model.
struct chat_rules {
  json kwargs = json::object();          ///< for the template, where a request does not say otherwise
  std::vector<turn_end> turn_ends{};     ///< what ends a turn: the model's and the tokenizer's ends of sequence
  int vocabulary = 0;
};

/// The ids that end a turn, with what stands for them in a rendered conversation: those given, and those by which the usual
/// families of templates close turns, where the tokenizer has them. A model need not stop at what its template writes: gpt-oss
/// stops at <|return|>, which is written as <|end|> once more follows.
template <class Text> std::vector<turn_end> named_ends(Text const& text, std::vector<token> const& ids) {
  std::vector<turn_end> out;
  for (token const id : ids) out.push_back({id, std::string(text.token_text(id))});
  std::vector<token> one;
  for (std::string_view const name : {"<|end|>", "<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<end_of_turn>"}) {
    one.clear();
    text.encode(name, one);
    if (one.size() != 1 || text.token_text(one[0]) != name) continue;
    auto const known = std::find_if(out.begin(), out.end(), [&](turn_end const& e) { return e.id == one[0]; });
    if (known != out.end()) known->closes = true; else out.push_back({one[0], std::string(name), true});
  }
  return out;
}

/// The conversation and how to render it.
struct conversation {
  json messages{}, tools{}, kwargs = json::object();
  bool add_generation_prompt = true, continue_final_message = false;
  bool special_tokens = false;
  bool parse_calls = false, parallel_calls = true;   ///< tool calls of the answer: whether to find any, and more than one
  std::vector<token> exact{};            ///< what the prompt must begin with; empty: whatever the template gives
  std::size_t exact_messages = 0;        ///< how many messages `exact` stands for; 0: nobody has answered, their text tells
};

namespace detail {

/// The ids that the prompt must begin with: `required_prefix_token_ids`, else what the last assistant message with a bundle was
/// made from and became (`prompt_token_ids`, `generation_token_ids`). Earlier bundles are part of the last one.
inline void read_exact(fields& f, conversation& c, chat_rules const& rules) {
  json const* const messages = f.find("messages");
  std::size_t const n = messages && messages->is_array() ? messages->size() : 0;
  auto const is_assistant = [&](json const& m) { return m.is_object() && m.contains("role") && m["role"] == "assistant"; };
  if (json const* given = f.array("required_prefix_token_ids", std::size_t(1) << 24); given && !given->empty()) {
    read_ids(f, "required_prefix_token_ids", rules.vocabulary, std::size_t(1) << 24, c.exact);
    c.exact_messages = n;
    for (std::size_t i = n; i-- > 0 && !is_assistant((*messages)[i]);) c.exact_messages = i;
    return;
  }
  for (std::size_t i = n; i-- > 0;) {
    json const& m = (*messages)[i];
    if (!is_assistant(m)) continue;
    fields g(m, f.at("messages." + std::to_string(i)), f.report());
    json const *prompt = g.find("prompt_token_ids"), *generation = g.find("generation_token_ids");
    if (!prompt && !generation) continue;
    if (!prompt || !generation) {
      g.add(prompt ? "generation_token_ids" : "prompt_token_ids", "missing: prompt_token_ids and generation_token_ids come together");
    } else if (c.exact_messages == 0) {   // the last one
      read_ids(g, "prompt_token_ids", rules.vocabulary, std::size_t(1) << 24, c.exact);
      read_ids(g, "generation_token_ids", rules.vocabulary, std::size_t(1) << 24, c.exact);
      c.exact_messages = i + 1;
      if (prompt->is_array() && prompt->empty()) g.add("prompt_token_ids", "must not be empty");
    }
  }
}

inline void read_kwargs(fields& f, conversation& c, chat_rules const& rules) {
  c.kwargs = rules.kwargs;
  if (auto const effort = f.text("reasoning_effort", 16)) {
    json const v = *effort;
    if (!one_of(&v, {"none", "minimal", "low", "medium", "high", "xhigh", "max"}))
      f.add("reasoning_effort", "expected none, minimal, low, medium, high, xhigh or max, found " + excerpt(v));
    c.kwargs["reasoning_effort"] = *effort;
    c.kwargs["enable_thinking"] = c.kwargs["thinking"] = *effort != "none";
  }
  if (json const* documents = f.array("documents", 1024)) c.kwargs["documents"] = *documents;
  json const* kwargs = f.object("chat_template_kwargs");
  if (!kwargs) return;
  if (kwargs->size() > 64) return f.add("chat_template_kwargs", "more than 64 entries");
  for (auto const& [key, value] : kwargs->items()) {
    json const name = key;
    if (one_of(&name, {"messages", "tools", "chat_template", "tokenize", "add_generation_prompt", "continue_final_message"}))
      f.add("chat_template_kwargs." + key, "has a field of its own");
    else
      c.kwargs[key] = value;
  }
}

}  // namespace detail

/// Reads messages, tools and what goes to the template.
inline conversation read_conversation(fields& f, request_bounds const& bounds, chat_rules const& rules) {
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
  detail::read_kwargs(f, c, rules);
  detail::read_exact(f, c, rules);
  if (c.continue_final_message && !c.exact.empty())
    f.add("continue_final_message", "not together with tokens that the prompt must begin with: where a message goes on is not told by them");
  f.refuse({"chat_template"}, "templates in requests are not accepted; the model's own is used");
  return c;
}

/// Renders, tokenises and splices. An error names what the template or the tokenizer did not like.
template <class Text, class Chat>
std::optional<api_error> tokenise(conversation const& talk, Text const& text, Chat const* chat, chat_rules const& rules, std::vector<token>& out) {
  if (!chat)
    return api_error{422, "this model brings no chat template; use /v1/completions", "messages", "no_chat_template"};
  auto const now = jinja::local_now();   // of one request: its renderings must agree
  auto const render = [&](json const& messages, bool whole) {
    return chat->render(messages, talk.tools, talk.kwargs,
                        {.add_generation_prompt = whole && talk.add_generation_prompt, .continue_final_message = talk.continue_final_message, .now = now});
  };
  try {
    std::string const prompt = render(talk.messages, true);
    if (talk.exact.empty()) {
      if (talk.special_tokens) text.encode_with_special(prompt, out); else text.encode(prompt, out);
    } else {
      out = talk.exact;
      std::size_t const owner = talk.exact_messages > 0 ? talk.exact_messages - 1 : message_of(talk.exact, talk.messages, prompt, rules.turn_ends, text, render);
      char const* why = "they are the text of none of its first messages";
      if (owner == talk.messages.size()) why = nullptr;   // all of it
      else if (owner < talk.messages.size()) why = append_rest(out, talk.messages, owner, prompt, rules.turn_ends, text, render);
      if (why)   // never a prompt that only nearly begins as it must
        return api_error{400, "the conversation cannot be continued from the tokens that it must begin with: " + std::string(why), "messages", "prefix_mismatch"};
    }
  } catch (error const& e) {
    return api_error{422, "the chat template refused: " + std::string(wire::utf8_prefix(e.message(), problems::message_bytes)), "messages", "template_error"};
  }
  if (out.empty()) return api_error{422, "the rendered prompt has no tokens", "messages"};
  return std::nullopt;
}

}  // namespace verbatim::openai_v1
