// Who may be admitted before others that wait, said of one step's inputs and decisions alone, so that any trace can be held against it.
#pragma once
#include <algorithm>
#include <span>

#include "catch.hpp"
#include "verbatim/schedule/first_come.hpp"

namespace passing {

using namespace verbatim;

struct counts {
  long by_pages = 0, by_rows = 0, beside_long = 0;
};

/// 1. Nobody is admitted while another gives way.
/// 2. Who is admitted before some that wait needs a quarter of the pages, or less, of one of them that may not find room, and of each that finds
///    none; or it goes along with the first prompt that runs, which takes longer than this step: shorter than any short one beside it, and all of
///    these together no longer than a quarter of what that one has left.
/// 3. Of those that go along one is admitted in a step.
/// 4. That first prompt has three quarters of the rows for prompts, and one at least, unless pages end.
inline void check(std::span<waiting const> w, std::span<running const> r, batch const& out, counts& n) {
  if (!out.preempt.empty()) REQUIRE(out.admit.empty());
  if (!out.preempt.empty() || r.empty()) return;
  auto const left = [](running const& s) { return s.tokens - s.computed; };
  auto const pages_for = [&](int tokens) { return (tokens + out.limits.page - 1) / out.limits.page; };
  auto const needs = [&](waiting const& s) { return pages_for(s.tokens) - s.cached / out.limits.page + s.cached_free; };
  auto const granted = [&](std::uint32_t id) {
    auto const it = std::find_if(out.run.begin(), out.run.end(), [&](scheduled const& e) { return e.id == id; });
    return it == out.run.end() ? 0 : it->tokens;
  };

  int rows = out.limits.tokens, pages = out.limits.free_pages;
  bool decoding = false;
  running const* first = nullptr;
  for (running const& s : r)
    if (left(s) == 1 && granted(s.id) == 1) --rows, decoding = true, pages -= std::max(0, pages_for(s.tokens) - s.pages);
    else if (left(s) > 1 && !first) first = &s;
  if (decoding) rows = std::min(rows, std::max(out.limits.chunk, 1));
  bool const is_long = first && left(*first) > rows;
  int const quarter = is_long ? left(*first) / 4 : 0;
  int along = 0, shortest = quarter + 1;
  if (is_long)
    for (running const* s = first + 1; s != r.data() + r.size(); ++s)
      if (left(*s) > 1 && left(*s) <= quarter) along += left(*s), shortest = std::min(shortest, left(*s));

  // Pages that prompts will need, if all before number i are there to stay: who fits beside these finds room.
  long spoken_for = 0;
  for (running const& s : r)
    if (left(s) > 1) spoken_for += std::max(0, pages_for(s.tokens) - s.pages);
  auto const finds_room = [&](std::size_t i) {
    long all = spoken_for + (long(r.size() + i) + 3) / 4;
    for (waiting const& s : w.first(i + 1)) all += needs(s);
    return all <= pages;
  };

  int went_along = 0;
  for (std::size_t i = 0; i < w.size(); ++i) {
    auto const admitted = [&](waiting const& s) { return std::count(out.admit.begin(), out.admit.end(), s.id) > 0; };
    waiting const& s = w[i];
    if (!admitted(s) || std::ranges::all_of(w.first(i), admitted)) continue;
    bool for_room = false, too_large = false;
    for (std::size_t before = 0; before < i; ++before) {
      if (admitted(w[before])) continue;
      bool const much_less = 4 * needs(s) <= needs(w[before]);
      for_room |= much_less && !finds_room(before);
      too_large |= !much_less && needs(w[before]) > pages;
    }
    bool const by_pages = for_room && !too_large;
    int const tokens = s.tokens - s.cached;
    bool const by_rows = is_long && tokens < shortest && along + tokens <= quarter;
    INFO("number " << i << " of the queue: " << tokens << " tokens, " << needs(s) << " pages; along " << along << " of " << quarter << ", the shortest " << shortest);
    REQUIRE((by_pages || by_rows));
    if (by_pages) ++n.by_pages;
    else ++n.by_rows, ++went_along;
  }
  REQUIRE(went_along <= 1);
  if (!is_long || rows < 1) return;
  int const fit = (first->pages + pages) * out.limits.page - first->computed;
  REQUIRE(granted(first->id) >= std::min(fit, std::max(1, rows - (rows + 3) / 4)));
  n.beside_long += granted(first->id) < std::min(fit, rows);
}

}  // namespace passing
