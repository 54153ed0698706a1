// The answer of /v1/chat/completions, whole or in chunks. Chunks of a choice: the role first, then deltas that carry the
// log-probabilities and ids of exactly their tokens, then one empty delta with the finish reason.
#pragma once
#include <string>
#include <vector>

#include "verbatim/protocol/openai/answer.hpp"

namespace verbatim::openai_v1 {

template <class Text, class Filter> class chat_answer {
 public:
  using choice = choice_state<Filter>;
  static constexpr std::string_view id_prefix = "chatcmpl-";

  chat_answer(Text const& text, answer_shape const& shape) : text_(&text), shape_(&shape) {
    put_identity(head_, shape, "chat.completion.chunk");
  }

  void start(std::string& out, choice const&, int index, usage const& u) const {
    begin_chunk(out, index);
    out += "\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"logprobs\":null,\"finish_reason\":null}]";
    if (shape_->token_ids) {
      out += ",\"prompt_token_ids\":";
      wire::put_integers(out, shape_->prompt_ids[0]);
    }
    end_chunk(out, u);
  }
  void add(choice& c, kept_event const& e) const {
    if (!shape_->logprobs) return;
    if (!c.logprobs.empty()) c.logprobs += ',';
    put_chat_logprob(c.logprobs, *text_, e.sample, e.top, shape_->tokens_as_ids);
  }
  /// Sends what is pending and forgets it.
  void flush(std::string& out, choice& c, int index, usage const& u) const {
    if (c.delta.empty() && c.logprobs.empty() && (c.ids.empty() || !shape_->token_ids)) return c.ids.clear();
    begin_chunk(out, index);
    out += "\"delta\":{\"content\":";
    wire::put_string(out, c.delta.content);
    out += "},\"logprobs\":";
    put_logprobs(out, c);
    out += ",\"finish_reason\":null";
    if (shape_->token_ids) {
      out += ",\"token_ids\":";
      wire::put_integers(out, c.ids);
    }
    out += "}]";
    end_chunk(out, u);
    c.delta.clear(), c.logprobs.clear(), c.ids.clear();
  }
  void finish(std::string& out, choice& c, int index, usage const& u) const {
    flush(out, c, index, u);
    begin_chunk(out, index);
    out.append("\"delta\":{},\"logprobs\":null,\"finish_reason\":\"").append(finish_name(c.finish));
    out.append("\",\"stop_reason\":").append(c.stop_reason).append("}]");
    end_chunk(out, u);
  }
  void put_usage_chunk(std::string& out, usage const& u) const {
    out.append("data: {").append(head_).append("\"choices\":[],\"usage\":");
    put_usage(out, u);
    out += "}\n\n";
  }

  /// The whole answer.
  void whole(std::string& out, std::vector<choice> const& choices, usage const& u) const {
    out += '{';
    put_identity(out, *shape_, "chat.completion");
    out += "\"choices\":";
    int index = 0;
    wire::put_list(out, choices, [&](choice const& c) { put_choice(out, c, index++); });
    out += ",\"usage\":";
    put_usage(out, u);
    if (shape_->token_ids) {
      out += ",\"prompt_token_ids\":";
      wire::put_integers(out, shape_->prompt_ids[0]);
    }
    if (shape_->prompt_logprobs) {
      out += ",\"prompt_logprobs\":";
      put_prompt_logprobs(out, *text_, choices[0].prompt);
    }
    out += '}';
  }

 private:
  void put_choice(std::string& out, choice const& c, int index) const {
    out += "{\"index\":";
    wire::put_integer(out, index);
    out += ",\"message\":{\"role\":\"assistant\",\"content\":";
    wire::put_string(out, c.delta.content);
    out += ",\"refusal\":null},\"logprobs\":";
    put_logprobs(out, c);
    out.append(",\"finish_reason\":\"").append(finish_name(c.finish)).append("\",\"stop_reason\":").append(c.stop_reason);
    if (shape_->token_ids) {
      out += ",\"token_ids\":";
      wire::put_integers(out, c.ids);
    }
    out += '}';
  }
  void put_logprobs(std::string& out, choice const& c) const {
    if (shape_->logprobs) out.append("{\"content\":[").append(c.logprobs).append("],\"refusal\":null}");
    else out += "null";
  }
  void begin_chunk(std::string& out, int index) const {
    out.append("data: {").append(head_).append("\"choices\":[{\"index\":");
    wire::put_integer(out, index);
    out += ',';
  }
  void end_chunk(std::string& out, usage const& u) const {
    if (shape_->continuous_usage) {
      out += ",\"usage\":";
      put_usage(out, u);
    } else if (shape_->include_usage) {
      out += ",\"usage\":null";
    }
    out += "}\n\n";
  }

  Text const* text_;
  answer_shape const* shape_;
  std::string head_;
};

}  // namespace verbatim::openai_v1
