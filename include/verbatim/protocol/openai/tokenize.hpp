// POST /tokenize and /detokenize, the union of what vLLM, SGLang and llama.cpp take: `prompt`, `messages` or `content`.
#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "verbatim/protocol/openai/chat.hpp"

namespace verbatim::openai_v1 {

/// A body, or what is wrong.
using text_answer = std::variant<std::string, api_error>;

/// The same template, tokenizer and defaults as the chat endpoint. Fields of other endpoints are ignored.
template <class Text, class Chat>
text_answer tokenize(json const& body, Text const& text, Chat const* chat, model_card const& card, request_bounds const& bounds, chat_rules const& rules) {
  problems p;
  fields f(body, "", p);
  std::vector<token> ids;
  bool const talk = f.find("messages") != nullptr, plain = f.find("prompt") != nullptr;
  if (talk) {
    conversation const c = read_conversation(f, bounds, rules);
    if (!p.empty()) return p.error();
    if (auto failed = tokenise(c, text, chat, rules, ids)) return *failed;
  } else {
    auto const prompt = f.text(plain ? "prompt" : "content", std::size_t(-1));
    bool const special = f.boolean(plain ? "add_special_tokens" : "add_special").value_or(plain);
    f.only("with_pieces", [](json const& v) { return v == false; }, "only false is offered; use return_token_strs");
    if (!prompt && p.empty()) f.add("prompt", "prompt, messages or content is needed");
    if (!p.empty()) return p.error();
    if (special) text.encode_with_special(*prompt, ids); else text.encode(*prompt, ids);
  }
  bool const strings = f.boolean("return_token_strs").value_or(false);
  if (!p.empty()) return p.error();
  std::string out = "{";
  if (talk || plain) {
    out += "\"count\":";
    wire::put_integer(out, std::int64_t(ids.size()));
    out += ",\"max_model_len\":";
    wire::put_integer(out, card.context);
    out += ',';
  }
  out += "\"tokens\":";
  wire::put_integers(out, ids);
  if (talk || plain) {
    out += ",\"token_strs\":";
    if (strings) wire::put_list(out, ids, [&](token id) { wire::put_string(out, std::string(text.token_text(id))); });
    else out += "null";
  }
  return out += '}';
}

/// {"tokens": […], "skip_special_tokens"?: bool} to the text, under the names that the three servers use.
template <class Text> text_answer detokenize(json const& body, Text const& text, model_card const& card) {
  problems p;
  fields f(body, "", p);
  std::vector<token> ids;
  if (!f.find("tokens")) f.add("tokens", "missing");
  detail::read_ids(f, "tokens", card.vocabulary, 1'000'000, ids);   // two bytes of JSON may stand for hundreds of text
  bool const skip = f.boolean("skip_special_tokens").value_or(false);
  if (!p.empty()) return p.error();
  std::string const shown = text.decode(ids, skip);
  std::string out;
  for (auto name : {"{\"prompt\":", ",\"text\":", ",\"content\":"}) {
    out += name;
    wire::put_string(out, shown);
  }
  return out += '}';
}

}  // namespace verbatim::openai_v1
