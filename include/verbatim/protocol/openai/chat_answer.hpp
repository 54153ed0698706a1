// The answer of /v1/chat/completions, whole or in chunks. Chunks of a choice: the role first, then deltas that carry the
// log-probabilities and ids of exactly their tokens, then one empty delta with the finish reason. A delta holds reasoning,
// content or tool calls; one without any still goes out for the sake of its tokens.
#pragma once
#include <string>
#include <vector>

#include "verbatim/protocol/openai/answer.hpp"
#include "verbatim/core/sha256.hpp"

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
    if (shape_->bundle) {
      if (!c.bundle_ids.empty()) c.bundle_ids += ',', c.bundle_logprobs += ',';
      wire::put_integer(c.bundle_ids, e.sample.id);
      wire::put_real(c.bundle_logprobs, e.sample.logprob);
    }
    if (!shape_->logprobs) return;
    if (!c.logprobs.empty()) c.logprobs += ',';
    put_chat_logprob(c.logprobs, *text_, e.sample, e.top, shape_->tokens_as_ids, shape_->raw_logprobs ? &e.raw_logprob : nullptr);
  }
  /// Sends what is pending and forgets it.
  void flush(std::string& out, choice& c, int index, usage const& u) const {
    message_delta& d = c.delta;
    if (d.empty() && c.logprobs.empty() && (c.ids.empty() || !shape_->token_ids)) return c.ids.clear();
    if (!d.reasoning.empty()) put_delta(out, c, index, u, [&] { put_reasoning(out, d.reasoning); });
    if (!d.content.empty()) put_delta(out, c, index, u, [&] { out += "\"content\":", wire::put_string(out, d.content); });
    if (!d.tool_calls.empty()) put_delta(out, c, index, u, [&] { put_calls(out, d.tool_calls, index, true); });
    if (d.empty()) put_delta(out, c, index, u, [] {});
    d.clear();
  }
  void finish(std::string& out, choice& c, int index, usage const& u) const {
    flush(out, c, index, u);
    begin_chunk(out, index);
    out += "\"delta\":{";
    if (shape_->bundle) put_bundle(out, c);
    out.append("},\"logprobs\":null,\"finish_reason\":\"").append(finish_of(c));
    out.append("\",\"stop_reason\":").append(c.stop_reason);
    put_origin(out, c, *shape_);
    out += "}]";
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
    if (shape_->exact) put_exact_usage(out, u); else put_usage(out, u);
    if (shape_->token_ids) {
      out += ",\"prompt_token_ids\":";
      wire::put_integers(out, shape_->prompt_ids[0]);
    }
    if (shape_->exact) put_nulls(out);
    if (shape_->prompt_logprobs) {
      out += ",\"prompt_logprobs\":";
      put_prompt_logprobs(out, *text_, choices[0].prompt);
      if (shape_->versions) choices[0].origin.put_prompt_version(out, *shape_->versions);
    }
    out += '}';
  }

 private:
  void put_choice(std::string& out, choice const& c, int index) const {
    out += "{\"index\":";
    wire::put_integer(out, index);
    out += ",\"message\":{\"role\":\"assistant\",\"content\":";
    message_delta const& d = c.delta;
    if (d.content.empty() && !d.tool_calls.empty()) out += "null"; else wire::put_string(out, d.content);
    out += ",\"refusal\":null";
    if (shape_->exact) out += ",\"annotations\":null,\"audio\":null,\"function_call\":null";
    if (!d.reasoning.empty()) out += ',', put_reasoning(out, d.reasoning);
    else if (shape_->exact) out += ",\"reasoning\":null";
    if (!d.tool_calls.empty()) out += ',', put_calls(out, d.tool_calls, index, false);
    if (shape_->bundle) out += ',', put_bundle(out, c);
    out += "},\"logprobs\":";
    put_logprobs(out, c);
    out.append(",\"finish_reason\":\"").append(finish_of(c)).append("\",\"stop_reason\":").append(c.stop_reason);
    if (shape_->token_ids) {
      out += ",\"token_ids\":";
      wire::put_integers(out, c.ids);
    } else if (shape_->exact) {
      out += ",\"token_ids\":null";
    }
    if (shape_->exact) out += ",\"routed_experts\":null";
    put_origin(out, c, *shape_);
    out += '}';
  }
  /// Calls are for the client to make where the model ended its answer with them; an answer that was cut off stays "length".
  static std::string_view finish_of(choice const& c) noexcept {
    return c.finish == finish_reason::stop && c.filter.calls() > 0 ? std::string_view("tool_calls") : finish_name(c.finish);
  }
  /// One chunk, with the log-probabilities and ids that are pending.
  template <class Put> void put_delta(std::string& out, choice& c, int index, usage const& u, Put put) const {
    begin_chunk(out, index);
    out += "\"delta\":{";
    put();
    out += "},\"logprobs\":";
    put_logprobs(out, c);
    out += ",\"finish_reason\":null";
    if (shape_->token_ids) {
      out += ",\"token_ids\":";
      wire::put_integers(out, c.ids);
    }
    out += "}]";
    end_chunk(out, u);
    c.logprobs.clear(), c.ids.clear();
  }
  /// Under both of its names: clients read one or the other.
  static void put_reasoning(std::string& out, std::string_view text) {
    out += "\"reasoning\":";
    wire::put_string(out, text);
    out += ",\"reasoning_content\":";
    wire::put_string(out, text);
  }
  void put_calls(std::string& out, std::vector<tool_call> const& calls, int choice_index, bool with_index) const {
    out += "\"tool_calls\":";
    wire::put_list(out, calls, [&](tool_call const& call) {
      out += '{';
      if (with_index) out += "\"index\":", wire::put_integer(out, call.index), out += ',';
      out += "\"id\":";
      wire::put_string(out, call_id(choice_index, call.index));
      out += ",\"type\":\"function\",\"function\":{\"name\":";
      wire::put_string(out, call.name);
      out += ",\"arguments\":";
      wire::put_string(out, call.arguments);
      out += "}}";
    });
  }
  /// A function of the answer's id and the call's place, so every form of an answer names its calls alike.
  std::string call_id(int choice_index, int call_index) const {
    auto const digest = sha256(shape_->id + ' ' + std::to_string(choice_index) + ' ' + std::to_string(call_index));
    std::string id = "call_";
    for (std::size_t i = 0; i < 12; ++i)
      for (unsigned const nibble : {unsigned(digest[i]) >> 4, unsigned(digest[i]) & 15u}) id += "0123456789abcdef"[nibble];
    return id;
  }
  void put_logprobs(std::string& out, choice const& c) const {
    if (shape_->logprobs) out.append("{\"content\":[").append(c.logprobs).append(shape_->exact ? "]}" : "],\"refusal\":null}");
    else out += "null";
  }
  /// What a trainer takes up and sends back with the next turn: the ids that the model was fed and sampled.
  void put_bundle(std::string& out, choice const& c) const {
    out += "\"prompt_token_ids\":";
    wire::put_integers(out, shape_->prompt_ids[0]);
    out.append(",\"generation_token_ids\":[").append(c.bundle_ids).append("],\"generation_log_probs\":[").append(c.bundle_logprobs) += ']';
  }
  static void put_exact_usage(std::string& out, usage const& u) {
    out += "{\"prompt_tokens\":";
    wire::put_integer(out, u.prompt_tokens);
    out += ",\"total_tokens\":";
    wire::put_integer(out, u.prompt_tokens + u.completion_tokens);
    out += ",\"completion_tokens\":";
    wire::put_integer(out, u.completion_tokens);
    out += ",\"prompt_tokens_details\":null}";
  }
  void put_nulls(std::string& out) const {
    out += ",\"service_tier\":null,\"prompt_text\":null,\"kv_transfer_params\":null,\"metrics\":null";
    if (!shape_->token_ids) out += ",\"prompt_token_ids\":null";
    if (!shape_->prompt_logprobs) out += ",\"prompt_logprobs\":null";
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
