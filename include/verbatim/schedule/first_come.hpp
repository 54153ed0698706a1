// First come, first served: the default policy.
// 1. Every running sequence that decodes gets its token, so prefill never delays decoding (limits.tokens > limits.sequences).
// 2. Beside decoding at most limits.chunk rows are for prompts, so that the next token is not far. Prefill of running sequences goes on
//    in order of admission; what rows are left starts waiting ones in queue order. Where the first prompt takes longer than this step, a
//    quarter of the rows is for a much shorter one, running or waiting (see short_prompt): the long one takes a third longer at most.
// 3. A waiting sequence is admitted when all of its pages fit beside what running prefills still need, with one spare page for every four
//    running ones. One that waits, for room or for rows, is passed by most_passed shorter ones; then those behind it wait, so nothing
//    starves.
// 4. When decoding needs more pages than are free, the latest admitted give theirs back, never the first: it always advances.
// Cost: O(running + prompts x running + waiting x admitted^2). Pure; nothing allocates once the vectors of `batch` are warm.
#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "verbatim/schedule/batch.hpp"

namespace verbatim {

/// Models scheduler. Preconditions: cached < tokens for each waiting, computed < tokens for each running sequence.
struct first_come {
  static constexpr int most_passed = 8;   ///< where it waits for room each has a quarter of its pages or less: twice its pages in all

  void operator()(std::span<waiting const> w, std::span<running const> r, batch& out) const {
    out.clear();
    room left{out.limits.tokens, out.limits.free_pages, out.limits.page};
    auto const kept = preempt(r, left, out);
    decode(kept, left, out);
    if (!out.run.empty()) left.rows = std::min(left.rows, std::max(out.limits.chunk, 1));
    short_prompt const quick = much_shorter(w, kept, left);
    long const owed = prefill(kept, quick, left, out);
    if (out.preempt.empty()) admit(w, int(kept.size()), owed, quick, left, out);
    if (quick.index != short_prompt::none) grant(kept, quick.index, left.rows, left, out);   // what nobody took
    for (std::size_t i = 0; i < kept.size() && left.rows > 0; ++i) grant(kept, i, left.rows, left, out);
  }

 private:
  /// What the step can still take.
  struct room {
    int rows;
    long pages;
    int page;
    long pages_for(long tokens) const { return (tokens + page - 1) / page; }
    /// Pages beyond those held so that `tokens` tokens fit.
    long missing(running const& s, long tokens) const { return std::max(0l, pages_for(tokens) - s.pages); }
  };
  static bool decodes(running const& s) { return s.tokens - s.computed == 1; }

  /// Drops sequences from the back until what must advance fits: every decoding sequence, and the first in any case.
  static std::span<running const> preempt(std::span<running const> r, room& left, batch& out) {
    long needed = 0;
    auto const need = [&](std::size_t i) { return decodes(r[i]) || i == 0 ? left.missing(r[i], r[i].computed + 1l) : 0; };
    for (std::size_t i = 0; i < r.size(); ++i) needed += need(i);
    std::size_t n = r.size();
    for (; n > 1 && needed > left.pages; --n) {
      needed -= need(n - 1);
      left.pages += r[n - 1].pages - r[n - 1].shared;
      out.preempt.push_back(r[n - 1].id);
    }
    return r.first(n);
  }

  static void decode(std::span<running const> r, room& left, batch& out) {
    for (running const& s : r) {
      if (!decodes(s) || left.rows == 0) continue;
      long const pages = left.missing(s, s.tokens);
      if (pages > left.pages) continue;   // only the first, alone, can get here: see preempt
      --left.rows, left.pages -= pages;
      out.run.push_back({s.id, 1});
    }
  }

  /// What goes along with the first prompt: so many rows for the waiting sequence of index `queued` if there is one, else for the running
  /// one of index `index`. In one step that is one: the shortest that runs, or the first in the queue that is shorter still. Over the steps
  /// more than one may be under way, and that is meant, for each is short: the head of the queue always may, as it passes nobody who waits;
  /// one further back only while all that go along are together less than a quarter of what the first one has left, so it is soon the
  /// others' turn. Where the queued one finds no room of pages, its rows are the running ones': first that of `index`, then the others in order.
  struct short_prompt {
    static constexpr std::size_t none = ~std::size_t{};
    std::size_t index = none, queued = none;
    int rows = 0;
  };
  static short_prompt much_shorter(std::span<waiting const> w, std::span<running const> r, room const& left) {
    std::size_t const first = std::size_t(std::find_if(r.begin(), r.end(), [](running const& s) { return !decodes(s); }) - r.begin());
    if (first == r.size() || r[first].tokens - r[first].computed <= left.rows) return {};
    short_prompt out;
    int const much = (r[first].tokens - r[first].computed) / 4 + 1;
    int least = much;
    long along = 0;   // tokens of those that go along already
    for (std::size_t i = first + 1; i < r.size(); ++i) {
      int const n = r[i].tokens - r[i].computed;
      if (decodes(r[i]) || n >= much) continue;
      along += n;
      if (n < least) least = n, out = {.index = i, .rows = n};
    }
    for (std::size_t i = 0; i < w.size() && out.queued == short_prompt::none; ++i) {
      if (int const n = w[i].tokens - w[i].cached; n < least && (i == 0 || along + n < much)) out.queued = i, out.rows = n;
      else if (w[i].passed >= most_passed) break;
    }
    out.rows = std::min({out.rows, (left.rows + 3) / 4, left.rows - 1});   // the first one advances in any case
    return out;
  }

  /// Up to `most` further tokens of a prompt that runs.
  static void grant(std::span<running const> r, std::size_t i, int most, room& left, batch& out) {
    if (decodes(r[i])) return;
    running s = r[i];
    auto const entry = std::find_if(out.run.begin(), out.run.end(), [&](scheduled const& e) { return e.id == s.id; });
    if (entry != out.run.end()) s.computed += entry->tokens, s.pages = int(std::max<long>(s.pages, left.pages_for(s.computed)));
    long const fits = (s.pages + left.pages) * left.page - s.computed;
    int const n = int(std::min({long(s.tokens - s.computed), long(most), long(left.rows), fits}));
    if (n <= 0) return;
    left.pages -= left.missing(s, long(s.computed) + n), left.rows -= n;
    if (entry != out.run.end()) entry->tokens += n;
    else out.run.push_back({s.id, n});
  }
  /// Chunks of running prefills. Returns how many pages they will need after this step.
  static long prefill(std::span<running const> r, short_prompt quick, room& left, batch& out) {
    long const before = left.pages;
    long owed = 0;
    bool first = true;
    for (std::size_t i = 0; i < r.size(); ++i) {
      if (decodes(r[i])) continue;
      owed += left.missing(r[i], r[i].tokens);
      grant(r, i, left.rows - quick.rows, left, out);
      if (std::exchange(first, false) && quick.queued == short_prompt::none && quick.index != short_prompt::none)
        grant(r, quick.index, std::exchange(quick.rows, 0), left, out);
    }
    return owed - (before - left.pages);
  }

  /// In queue order. Who does not fit is passed by later ones that need a quarter of its pages or less, who waits for rows by quick.queued.
  static void admit(std::span<waiting const> w, int rows, long owed, short_prompt quick, room& left, batch& out) {
    long least = 0;   // pages of those that do not fit: the fewest; 0: there is none
    int times = 0;    // how often one of those before was passed, the most
    for (std::size_t i = 0; i < w.size() && left.rows > 0 && rows < out.limits.sequences && times < most_passed; ++i) {
      waiting const& s = w[i];
      long const cached = s.cached / left.page;
      long const all = left.pages_for(s.tokens) - cached + s.cached_free;
      long const spare = (rows + 3) / 4;
      bool const fits = all + owed + spare <= left.pages, for_rows = fits && quick.queued != short_prompt::none && i < quick.queued;
      if (!fits || for_rows || (least > 0 && all > least / 4)) {
        if (for_rows) owed += all, ++rows;   // its room of this step stays its own
        if (!fits) least = least > 0 ? std::min(least, all) : all;
        times = std::max(times, s.passed);
        continue;
      }
      if (i > out.admit.size()) {
        ++times;
        for (waiting const& before : w.first(i))
          if (std::find(out.admit.begin(), out.admit.end(), before.id) == out.admit.end()) out.passed.push_back(before.id);
      }
      int const n = std::min(s.tokens - s.cached, left.rows);
      long const now = left.pages_for(long(s.cached) + n) - cached + s.cached_free;
      left.rows -= n, left.pages -= now, owed += all - now, ++rows;
      out.admit.push_back(s.id);
      out.run.push_back({s.id, n});
    }
  }
};

static_assert(scheduler<first_come>);

}  // namespace verbatim
