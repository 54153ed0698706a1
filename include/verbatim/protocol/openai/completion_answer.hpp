// The answer of /v1/completions, whole or in chunks; choice index = prompt * n + k. With `echo` the prompt comes first, in
// the text and in the log-probability arrays.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/protocol/openai/answer.hpp"

namespace verbatim::openai_v1 {

template <class Text, class Filter> class completion_answer {
 public:
  using choice = choice_state<Filter>;
  static constexpr std::string_view id_prefix = "cmpl-";

  completion_answer(Text const& text, answer_shape const& shape) : text_(&text), shape_(&shape) {
    put_identity(head_, shape, "text_completion");
  }

  /// Called once per choice, in both forms: echo becomes pending.
  void echo(choice& c, int index) const {
    if (!shape_->echo) return;
    std::string const& prompt = shape_->prompt_text[std::size_t(index / shape_->count)];
    c.delta.content = prompt;
    if (!shape_->logprobs) return;
    std::string_view rest = prompt;
    for (std::size_t i = 0; i < c.prompt.size(); ++i) {
      std::string const bytes = detail::bytes_of(*text_, c.prompt[i].token.id);
      std::string_view const shown = shown_part(bytes, rest, text_->is_special(c.prompt[i].token.id));
      rest.remove_prefix(std::min(rest.size(), shown.size()));
      c.legacy.add(*text_, c.prompt[i].token, c.prompt[i].top, shown, shape_->tokens_as_ids, i == 0, shape_->raw_logprobs ? &c.prompt[i].token.logprob : nullptr);
    }
  }
  void start(std::string& out, choice& c, int index, usage const& u) const {
    if (!shape_->echo && !shape_->token_ids) return;
    put_chunk(out, c, index, u, true, "null");
  }
  void add(choice& c, kept_event const& e) const {
    if (!shape_->logprobs) return;
    bool const hidden = hide_special_ && text_->is_special(e.sample.id);
    std::string const bytes = hidden ? std::string() : detail::bytes_of(*text_, e.sample.id);
    c.legacy.add(*text_, e.sample, e.top, bytes, shape_->tokens_as_ids, false, shape_->raw_logprobs ? &e.raw_logprob : nullptr);
  }
  void flush(std::string& out, choice& c, int index, usage const& u) const {
    if (c.delta.empty() && c.legacy.empty() && (c.ids.empty() || !shape_->token_ids)) return c.ids.clear();
    put_chunk(out, c, index, u, false, "null");
  }
  void finish(std::string& out, choice& c, int index, usage const& u) const {
    put_chunk(out, c, index, u, false, "\"" + std::string(finish_name(c.finish)) + "\"");
  }
  void put_usage_chunk(std::string& out, usage const& u) const {
    out.append("data: {").append(head_).append("\"choices\":[],\"usage\":");
    put_usage(out, u);
    out += "}\n\n";
  }

  void whole(std::string& out, std::vector<choice> const& choices, usage const& u) const {
    out.append("{").append(head_).append("\"choices\":");
    int index = 0;
    wire::put_list(out, choices, [&](choice const& c) {
      put_choice(out, c, index++, true, "\"" + std::string(finish_name(c.finish)) + "\"");
    });
    out += ",\"usage\":";
    put_usage(out, u);
    out += '}';
  }
  void hide_special(bool hide) noexcept { hide_special_ = hide; }

 private:
  /// What of a prompt token's bytes is in the prompt's text: tokenizers add tokens and leading spaces that are not.
  static std::string_view shown_part(std::string_view bytes, std::string_view rest, bool special) {
    if (rest.substr(0, bytes.size()) == bytes) return bytes;
    if (!bytes.empty() && bytes.front() == ' ' && rest.substr(0, bytes.size() - 1) == bytes.substr(1)) return bytes.substr(1);
    return special ? std::string_view() : bytes;
  }
  void put_choice(std::string& out, choice const& c, int index, bool with_prompt, std::string_view finish) const {
    out += "{\"index\":";
    wire::put_integer(out, index);
    out += ",\"text\":";
    wire::put_string(out, c.delta.content);
    out += ",\"logprobs\":";
    if (shape_->logprobs && (!shape_->stream || !c.legacy.empty())) c.legacy.put(out); else out += "null";
    out.append(",\"finish_reason\":").append(finish).append(",\"stop_reason\":").append(c.stop_reason);
    if (shape_->token_ids) {
      out += ",\"token_ids\":";
      wire::put_integers(out, c.ids);
      if (with_prompt) {
        out += ",\"prompt_token_ids\":";
        wire::put_integers(out, shape_->prompt_ids[std::size_t(index / shape_->count)]);
      }
    }
    if (shape_->prompt_logprobs) {
      out += ",\"prompt_logprobs\":";
      put_prompt_logprobs(out, *text_, c.prompt);
      if (shape_->versions) c.origin.put_prompt_version(out, *shape_->versions);
    }
    if (finish != "null") put_origin(out, c, *shape_);
    out += '}';
  }
  void put_chunk(std::string& out, choice& c, int index, usage const& u, bool with_prompt, std::string_view finish) const {
    out.append("data: {").append(head_).append("\"choices\":[");
    put_choice(out, c, index, with_prompt, finish);
    out += ']';
    if (shape_->continuous_usage) {
      out += ",\"usage\":";
      put_usage(out, u);
    } else if (shape_->include_usage) {
      out += ",\"usage\":null";
    }
    out += "}\n\n";
    c.delta.clear(), c.legacy.clear(), c.ids.clear();
  }

  Text const* text_;
  answer_shape const* shape_;
  std::string head_;
  bool hide_special_ = true;
};

}  // namespace verbatim::openai_v1
