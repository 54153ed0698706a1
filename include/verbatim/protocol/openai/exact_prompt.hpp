// A prompt that begins with exactly the ids that were fed and sampled before (protocol/splice.hpp finds the place), from a
// conversation and its chat template.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <ctime>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/protocol/fields.hpp"
#include "verbatim/protocol/splice.hpp"

namespace verbatim::openai_v1 {

namespace detail {

/// A word that `text` does not hold. Linear in `text` but for a hostile one, which is refused: empty.
inline std::string unused_word(std::string_view text) {
  for (int n = 0; n < 8; ++n) {
    std::string word = "QXZ" + std::to_string(n) + "ZXQ";
    if (!::memmem(text.data(), text.size(), word.data(), word.size())) return word;
  }
  return {};
}

/// The message with a mark in place of what was answered: its text and the arguments of its last call.
inline json marked(json message, std::string const& mark) {
  auto const calls = message.find("tool_calls");
  bool const called = calls != message.end() && calls->is_array() && !calls->empty();
  json const* const content = message.contains("content") ? &message["content"] : nullptr;
  bool const said = content && content->is_string() && !content->get_ref<std::string const&>().empty();
  if (said || !called) message["content"] = mark;
  if (called) message["tool_calls"].back()["function"]["arguments"] = json{{mark, mark}};
  return message;
}

inline std::string_view after_last(std::string_view text, std::string const& mark, bool& found) {
  std::size_t const at = text.rfind(mark);
  found = found && at != text.npos;
  return at == text.npos ? std::string_view() : text.substr(at + mark.size());
}

/// Without what a template may write around a message's text: spaces, and at the end ends of turns.
inline std::string_view bare_text(std::string_view s, std::span<turn_end const> ends) {
  constexpr std::string_view spaces = " \t\r\n";
  s.remove_prefix(std::min(s.size(), s.find_first_not_of(spaces)));
  for (bool more = true; more;) {
    s = s.substr(0, s.find_last_not_of(spaces) + 1);
    more = false;
    for (auto const& e : ends)
      if (!e.text.empty() && s.ends_with(e.text)) s.remove_suffix(e.text.size()), more = true;
  }
  return s;
}

}  // namespace detail

/// For ids that come without an answer: the message up to which they are the conversation's text, as the template writes it;
/// messages.size() where they are all of it, the prompt for an answer included; npos where they are neither.
/// At most eight candidates are rendered: messages whose words the ids end with.
template <class Text, class Render>
std::size_t message_of(std::vector<token> const& exact, json const& messages, std::string_view full, std::span<turn_end const> ends, Text const& text,
                       Render const& render) {
  std::string const all = text.decode(exact, false);
  if (all == full) return messages.size();
  std::string const first = text.decode(std::vector<token>{exact.front()}, false);
  std::string_view const said = detail::bare_text(all, ends);
  json talk = messages;
  for (int tries = 8; !talk.empty() && tries > 0; talk.erase(talk.size() - 1)) {
    auto const content = talk.back().find("content");
    if (content == talk.back().end() || !content->is_string()) continue;
    std::string_view const words = detail::bare_text(content->get_ref<std::string const&>(), ends);
    if (words.empty() || !said.ends_with(words)) continue;
    --tries;
    std::string const rendered = render(talk, false);
    std::string_view const whole = detail::bare_text(rendered, ends);
    // The tokenizer may have begun the ids with a token that the template does not write.
    bool const begun = said.size() > whole.size() && said.ends_with(whole) && said.substr(0, said.size() - whole.size()) == first;
    if (whole == said || begun) return talk.size() - 1;
  }
  return std::string_view::npos;
}

/// Appends to `exact` what the template writes after the message `owner`, the last that `exact` stands for. `render(messages,
/// whole)` gives the text of messages, with the prompt for an answer where `whole`; `text` encodes. Returns why not, or null;
/// then `exact` is as it was.
template <class Text, class Render>
char const* append_rest(std::vector<token>& exact, json const& messages, std::size_t owner, std::string_view full, std::span<turn_end const> ends,
                        Text const& text, Render const& render) {
  std::string const mark = detail::unused_word(full);
  if (mark.empty()) return "its text is made to confuse";
  json talk = messages;
  talk[owner] = detail::marked(std::move(talk[owner]), mark);
  std::string const whole = render(talk, true);
  while (talk.size() > owner + 1) talk.erase(talk.size() - 1);
  std::string const part = render(talk, false);
  bool found = true;
  auto const before = detail::after_last(part, mark, found), after = detail::after_last(whole, mark, found);
  if (!found) return "the template does not show the answer that they end with";
  seam joint = find_seam(before, after, ends, exact.back());
  if (joint.error) return joint.error;
  if (full.size() < joint.rest.size() || full.substr(full.size() - joint.rest.size()) != joint.rest)
    return "what the template writes after an answer depends on the answer";
  // Ids that came from the template itself may have all of its ending, with the line break after the end.
  std::vector<token> ending;
  if (joint.rest.substr(0, joint.ending.size()) == joint.ending) text.encode(joint.ending, ending);
  if (ending.size() > 1 && ending.size() <= exact.size() && std::equal(ending.begin(), ending.end(), exact.end() - std::ptrdiff_t(ending.size())))
    joint.rest.remove_prefix(joint.ending.size()), joint.given = -1;
  // The end is encoded with what follows, since it may take spaces beside it, and then left out.
  std::vector<token> rest;
  text.encode(joint.rest, rest);
  if (joint.given >= 0 && (rest.empty() || rest.front() != joint.given)) return "the tokenizer does not know the template's end of a turn";
  exact.insert(exact.end(), rest.begin() + (joint.given >= 0), rest.end());
  return nullptr;
}

}  // namespace verbatim::openai_v1
