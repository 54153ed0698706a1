// Which parts of answers a server looks for, and from that, and from one request, the rules of its output filter.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/engine/request.hpp"
#include "verbatim/protocol/openai/chat.hpp"
#include "verbatim/protocol/openai/tool_call_text.hpp"

namespace verbatim::openai_v1 {

/// How the model writes its reasoning. automatic: `think` where its chat template says </think>, else none.
enum class reasoning_format : std::uint8_t { automatic, none, think };
/// How the model writes tool calls. automatic: `hermes` where its chat template says <tool_call>, else none.
enum class tool_format : std::uint8_t { automatic, none, hermes };

class parsers {
 public:
  /// `chat` may be null.
  template <class Text, class Chat> parsers(Text const& text, Chat const* chat, reasoning_format reasoning, tool_format tools) {
    reasoning_ = reasoning == reasoning_format::think || (reasoning == reasoning_format::automatic && chat && chat->mentions(marker::think_end));
    tools_ = tools == tool_format::hermes || (tools == tool_format::automatic && chat && chat->mentions(marker::call));
    for (std::size_t m = 0; m < marker::all.size(); ++m) {
      std::vector<token> ids;
      text.encode(marker::all[m], ids);
      if (ids.size() == 1 && text.is_special(ids[0])) special_[m] = ids[0];
    }
  }

  /// The rules for the answers to `ask`, whose prompt is the one that the model will see.
  template <class Text> output_rules rules(Text const& text, conversation const& talk, request const& ask) const {
    output_rules r;
    r.tools = tools_ && talk.parse_calls;
    r.one_call = !talk.parallel_calls;
    r.reasoning = reasoning_;
    if (reasoning_) open(text, talk, ask, r);
    if (!ask.skip_special_tokens) return r;
    for (std::size_t m = 0; m < special_.size(); ++m) {
      bool const parsed = m < 2 ? r.reasoning : r.tools;
      bool const ends = std::find(ask.stop_token_ids.begin(), ask.stop_token_ids.end(), special_[m]) != ask.stop_token_ids.end();
      if (parsed && !ends) r.hidden[m] = special_[m];
    }
    return r;
  }

 private:
  /// Where the answer begins: the prompt may have opened the reasoning, or be the beginning of the message itself.
  template <class Text> static void open(Text const& text, conversation const& talk, request const& ask, output_rules& r) {
    constexpr std::size_t tail = 32;   // tokens: more than the marker and its line breaks take
    std::string const end = text.decode(std::span(ask.prompt).last(std::min(tail, ask.prompt.size())), false);
    std::string_view const bare = detail::trimmed(end);
    r.opened = bare.ends_with(marker::think);
    r.opened_line = r.opened && !end.ends_with(marker::think);
    if (r.opened || !talk.continue_final_message || !talk.messages.is_array() || talk.messages.empty()) return;
    auto const content = talk.messages.back().find("content");
    if (content == talk.messages.back().end() || !content->is_string()) return;
    std::string_view const begun = detail::trimmed(content->get_ref<std::string const&>());
    if (begun.empty()) return;
    r.opened = r.opened_line = begun.starts_with(marker::think) && begun.find(marker::think_end) == begun.npos;
    r.reasoning = r.opened;
  }

  bool reasoning_ = false, tools_ = false;
  std::array<token, 4> special_{-1, -1, -1, -1};
};

}  // namespace verbatim::openai_v1
