// Token-exact conversations: the ids that the model was fed and sampled in earlier turns, followed by what the template adds
// after them. Rendering and tokenising a conversation anew gives other ids than were sampled (merges, whitespace of tool calls,
// reasoning that a template drops); a trainer needs each prompt to begin with all that came before, id for id.
// The place where the new part begins is found by counting ends of turns, as NeMo RL does (replace_prefix_tokens), so that what
// a template drops from earlier turns does not shift it. Pure, linear.
#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

#include "verbatim/core/token.hpp"

namespace verbatim {

struct spliced {
  std::vector<token> ids{};
  char const* error = nullptr;   ///< why there is no such place
};

/// `exact`: fed and sampled so far. `before`: the template's tokens up to and including the last turn in `exact`. `full`: of the
/// whole conversation. `ends`: what ends a turn; a model may have several. The result begins with `exact`, always.
/// A turn that was cut short gets the template's own end; one that has an end, whichever, keeps it and gets no second one.
/// `open`: the template ends a turn only when another follows (or by the token that begins the next one), so `before` lacks the
/// end of its last turn.
inline spliced splice(std::span<token const> exact, std::span<token const> before, std::span<token const> full, std::span<token const> ends,
                      bool open = false) {
  if (exact.empty()) return {{full.begin(), full.end()}};
  if (ends.empty()) return {{}, "the model has no token that ends a turn"};
  auto const is_end = [&](token id) { return std::find(ends.begin(), ends.end(), id) != ends.end(); };
  std::ptrdiff_t left = std::count_if(before.begin(), before.end(), is_end) + (open ? 1 : 0);
  if (left == 0) return {{}, "the template ends no turn before the new part of the conversation"};
  std::size_t joint = 0;   // where the end of the last turn in `exact` stands in `full`
  for (; joint < full.size(); ++joint)
    if (is_end(full[joint]) && --left == 0) break;
  if (left > 0) return {{}, "the conversation has fewer turns than the tokens that it must begin with"};
  std::vector<token> out(exact.begin(), exact.end());
  out.insert(out.end(), full.begin() + std::ptrdiff_t(joint) + (is_end(exact.back()) ? 1 : 0), full.end());
  return {std::move(out)};
}

}  // namespace verbatim
