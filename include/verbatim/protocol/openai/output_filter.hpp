// Takes an answer's text apart while it grows: reasoning, content, tool calls. A state machine over bytes, so what its deltas
// add up to never depends on how the text was cut, and a streamed answer is the whole one in pieces.
//
// Reasoning is the block <think>…</think> at the very start (or one that the prompt opened); without an end it is all that
// follows. One line break inside each marker and two behind the block belong to the markers.
// A tool call is <tool_call>{"name": …, "arguments": {…}}</tool_call>, outside reasoning or ending it. It is held back until
// it is complete, the end of the output standing for a missing </tool_call>. What turns out to be none stays where it
// stands, markers and all. Of the text behind the first call only such failed calls are content.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "verbatim/protocol/openai/tool_call_text.hpp"

namespace verbatim::openai_v1 {

/// Cost: linear in the text. Holds back: the beginning of a marker, line breaks that a marker may follow, an open call.
class output_filter {
 public:
  output_filter() = default;
  explicit output_filter(output_rules const& rules)
      : rules_(rules), state_(!rules.reasoning ? state::content : rules.opened ? state::reasoning : state::start),
        skip_(rules.opened && !rules.opened_line ? 1 : 0) {}

  void push(std::string_view text, token id, message_delta& out) {
    if (id >= 0) ++waiting_;
    if (state_ == state::content && !rules_.tools) out.content.append(skipped(text));
    else
      for (char const c : text) take(c, out);
    if (id >= 0)
      for (std::size_t m = 0; m < marker::all.size(); ++m)
        if (rules_.hidden[m] == id)
          for (char const c : marker::all[m]) take(c, out);
    if (state_ == state::content) waiting_ = 0;
  }
  /// The output is over: what was held back is what it looks like now.
  void finish(message_delta& out) {
    if (state_ == state::call) end_call(out);
    if (state_ == state::start) state_ = state::content, partial_.insert(0, std::exchange(space_, {}));
    for (char const c : std::exchange(partial_, {})) show(c, out);
    release_newlines(out);
    if (state_ == state::reasoning) count_reasoning();
  }

  int calls() const noexcept { return calls_; }
  /// Tokens up to the one that ended the reasoning, that one included; all of them where it did not end.
  int reasoning_tokens() const noexcept { return reasoning_tokens_; }

 private:
  enum class state : std::uint8_t { start, reasoning, content, call };

  void take(char c, message_delta& out) {
    switch (state_) {
      case state::start: return begin(c, out);
      case state::reasoning: {
        auto const found = rules_.tools ? search(c, {marker::think_end, marker::call}, out) : search(c, {marker::think_end}, out);
        if (found == marker::think_end) end_reasoning();
        if (found == marker::call) open_call();
        return;
      }
      case state::content: {
        if (!rules_.tools || (rules_.one_call && calls_ > 0)) return show(c, out);
        auto const found = failed_ ? search(c, {marker::call, marker::call_end}, out) : search(c, {marker::call}, out);
        if (found == marker::call) open_call();
        if (found == marker::call_end) {
          for (char const e : marker::call_end) show(e, out);
          failed_ = false;
        }
        return;
      }
      case state::call: return in_call(c, out);
    }
  }

  /// Before anything but white space has come: does the answer begin with <think>?
  void begin(char c, message_delta& out) {
    if (partial_.empty() && (c == ' ' || c == '\n' || c == '\r' || c == '\t')) return void(space_ += c);
    partial_ += c;
    if (partial_ == marker::think) {
      partial_.clear(), space_.clear();
      state_ = state::reasoning, skip_ = 1;
      count_reasoning();
    } else if (!marker::think.starts_with(partial_)) {
      state_ = state::content;
      for (char const b : std::exchange(space_, {}) + std::exchange(partial_, {})) take(b, out);
    }
  }
  void end_reasoning() {
    count_reasoning();
    state_ = state::content, newlines_ = 0, skip_ = 2;
  }

  /// One more byte of the search for markers: gives the one that it completes. What is none of them is shown. A '<' begins
  /// every marker and is nowhere else in it, so where a match fails a new one can only begin with the byte that failed.
  std::string_view search(char c, std::initializer_list<std::string_view> markers, message_delta& out) {
    if (partial_.empty() && c != '<') return show(c, out), std::string_view();
    partial_ += c;
    for (auto const m : markers) {
      if (m == partial_) return partial_.clear(), m;
      if (m.starts_with(partial_)) return {};
    }
    partial_.pop_back();
    for (char const b : std::exchange(partial_, {})) show(b, out);
    if (c == '<') partial_ = c; else show(c, out);
    return {};
  }

  void open_call() {
    before_ = std::exchange(state_, state::call);
    failed_ = false;
    scan_ = {};
    body_.clear();
  }
  void in_call(char c, message_delta& out) {
    if (scan_.complete() && (c == '<' || !partial_.empty())) {
      partial_ += c;
      if (partial_ == marker::call_end) return end_call(out);
      if (!marker::call_end.starts_with(partial_)) fail_call(out);
    } else if (scan_.take(c) == object_scan::verdict::none) {
      partial_ = c;
      fail_call(out);
    } else {
      body_ += c;
    }
  }
  /// The call has its end; or the output has.
  void end_call(message_delta& out) {
    auto call = scan_.complete() ? read_tool_call(body_) : std::nullopt;
    if (!call) return fail_call(out);
    partial_.clear(), body_.clear();
    newlines_ = 0;
    state_ = state::content;
    call->index = calls_++;
    out.tool_calls.push_back(std::move(*call));
  }
  /// It was none: everything since <tool_call> is text. What may still begin another marker is looked at again.
  void fail_call(message_delta& out) {
    state_ = before_;
    failed_ = state_ == state::content;
    for (char const c : marker::call) show(c, out);
    for (char const c : std::exchange(body_, {})) show(c, out);
    for (char const c : std::exchange(partial_, {})) take(c, out);
  }

  /// One byte that belongs to no marker.
  void show(char c, message_delta& out) {
    if (skip_ > 0 && c == '\n') return void(--skip_);
    skip_ = 0;
    if (state_ == state::content && calls_ > 0 && !failed_) return;
    if (c == '\n' && state_ == state::reasoning && newlines_ == 0) return void(newlines_ = 1);
    if (c == '\n' && state_ == state::content && rules_.tools && calls_ == 0) return void(++newlines_);
    if (c != '\n' || state_ == state::content) release_newlines(out);
    if (state_ == state::reasoning) count_reasoning();
    (state_ == state::reasoning ? out.reasoning : out.content) += c;
  }
  void release_newlines(message_delta& out) {
    (state_ == state::reasoning ? out.reasoning : out.content).append(std::exchange(newlines_, 0), '\n');
  }
  /// Content that is not searched for markers.
  std::string_view skipped(std::string_view text) noexcept {
    for (; skip_ > 0 && text.starts_with('\n'); --skip_) text.remove_prefix(1);
    if (!text.empty()) skip_ = 0;
    return text;
  }
  void count_reasoning() noexcept { reasoning_tokens_ += std::exchange(waiting_, 0); }

  output_rules rules_{};
  state state_ = state::content, before_ = state::content;
  bool failed_ = false;             // content: inside a call that is none
  int skip_ = 0;                    // so many line breaks that come next belong to a marker
  std::size_t newlines_ = 0;        // held back: a marker that follows swallows them
  std::string space_{}, partial_{}; // held back: white space at the very start; the beginning of a marker
  std::string body_{};              // of the open call
  object_scan scan_{};
  int calls_ = 0, waiting_ = 0, reasoning_tokens_ = 0;   // waiting: tokens of which it is not known yet
};

}  // namespace verbatim::openai_v1
