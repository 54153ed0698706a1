// Token-exact conversations: the ids that the model was fed and sampled in earlier turns, followed by what the template writes
// after them. Rendering and tokenising a conversation anew gives other ids than were sampled (merges, whitespace of tool calls,
// reasoning that a template drops); a trainer needs each prompt to begin with all that came before, id for id.
// Where the new part begins is seen in two renderings in which a mark stands in place of the last exact answer: what follows the
// mark where the conversation ends there, and what follows it in the whole conversation. So nothing that a template does to
// earlier turns, and no end of turn that it writes elsewhere, can shift the place. Pure, linear.
#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "verbatim/core/token.hpp"

namespace verbatim {

/// A token that ends a turn, and what stands for it in a rendered conversation.
struct turn_end {
  token id = -1;
  std::string text{};
  bool closes = false;   ///< it does nothing else: no turn begins with it
};

/// Where the new part begins.
struct seam {
  std::string_view rest{};       ///< the tail of the whole rendering that follows the exact tokens
  std::string_view ending{};     ///< the end of turn, and all that the template writes after it, where nothing follows
  token given = -1;              ///< `rest` begins with this end of turn, in whose place the exact tokens have one: it is left out
  char const* error = nullptr;   ///< why there is no such place
};

namespace detail {

inline turn_end const* end_at(std::string_view text, std::size_t at, std::span<turn_end const> ends) {
  for (auto const& e : ends)
    if (!e.text.empty() && text.substr(at, e.text.size()) == e.text) return &e;
  return nullptr;
}

}  // namespace detail

/// `before`: what the template writes after the last exact answer if the conversation ends with it. `full`: what it writes there
/// now. `ends`: what ends a turn; a model may have several. `last`: of the exact tokens.
/// A turn that was cut short gets the template's own end; one that has an end, whichever, keeps it and gets no second one. What a
/// template writes after an answer without ending it (it ends turns when another follows, or by the token that begins the next)
/// belongs to the answer.
inline seam find_seam(std::string_view before, std::string_view full, std::span<turn_end const> ends, token last) {
  if (ends.empty()) return {.error = "the model has no token that ends a turn"};
  bool ended = false;
  for (auto const& e : ends) ended = ended || e.id == last;
  std::size_t at = before.npos;   // of the end that the template writes after the last answer
  for (auto const& e : ends)
    if (!e.text.empty()) at = std::min(at, before.find(e.text));
  if (at != before.npos && full.substr(0, at) == before.substr(0, at)) {
    auto const *own = detail::end_at(before, at, ends), *now = detail::end_at(full, at, ends);
    // An end of another name may be the first token of the next turn: where it may, only the very one that the model said is it.
    bool const there = now && (now->id == own->id || now->closes ? ended : now->id == last);
    return {.rest = full.substr(at), .ending = before.substr(at), .given = there ? now->id : token(-1)};
  }
  std::size_t common = before.size();
  if (full.substr(0, common) != before) {
    if (before.find_first_not_of(" \t\r\n") != before.npos) return {.error = "the template ends the answer otherwise when more follows"};
    for (common = 0; common < full.size() && common < before.size() && full[common] == before[common];) ++common;
  }
  auto const* const now = detail::end_at(full, common, ends);
  return {.rest = full.substr(common), .given = now && now->id == last ? last : token(-1)};
}

}  // namespace verbatim
