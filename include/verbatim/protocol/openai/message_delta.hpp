// What an answer's text is made of once it is taken apart: content, reasoning and tool calls, as deltas that add up. Which
// parts there are is a request's `output_rules`; who finds them is an output filter.
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/token.hpp"

namespace verbatim::openai_v1 {

/// A call that the model asks for, whole: calls are held back until they are complete.
struct tool_call {
  int index = 0;             ///< among the calls of the choice
  std::string name{};
  std::string arguments{};   ///< a JSON object, byte for byte as the model wrote it
};

struct message_delta {
  std::string content{}, reasoning{};
  std::vector<tool_call> tool_calls{};
  bool empty() const noexcept { return content.empty() && reasoning.empty() && tool_calls.empty(); }
  void clear() { content.clear(), reasoning.clear(), tool_calls.clear(); }
};

/// The words that delimit reasoning and tool calls (Qwen, DeepSeek R1; Hermes).
namespace marker {
inline constexpr std::string_view think = "<think>", think_end = "</think>", call = "<tool_call>", call_end = "</tool_call>";
inline constexpr std::array<std::string_view, 4> all{think, think_end, call, call_end};
}  // namespace marker

/// How to take one request's answers apart. As it stands: everything is content.
struct output_rules {
  bool reasoning = false;      ///< a first block <think>…</think> is reasoning
  bool opened = false;         ///< the prompt has opened that block: the answer begins inside it …
  bool opened_line = false;    ///< … and after the line break that follows <think>
  bool tools = false;          ///< <tool_call>…</tool_call> is a tool call
  bool one_call = false;       ///< only the first
  /// Of marker::all: the id of a marker that is a special token whose text the engine leaves out; -1: its text comes.
  std::array<token, 4> hidden{-1, -1, -1, -1};
};

/// The trivial output filter: all text is content. A filter sees each piece of text with the token that released it (-1
/// at the end) and may hold text back until `finish`. What its deltas add up to does not depend on how the text was cut.
struct plain_output {
  void push(std::string_view text, token, message_delta& out) { out.content += text; }
  void finish(message_delta&) {}
  static constexpr int calls() noexcept { return 0; }              ///< tool calls so far
  static constexpr int reasoning_tokens() noexcept { return 0; }   ///< tokens so far that belong to reasoning
};

}  // namespace verbatim::openai_v1
