// First come, first served: the default policy.
// 1. Every running sequence that decodes gets its token, so prefill never delays decoding (limits.tokens > limits.sequences).
// 2. Beside decoding at most limits.chunk rows are for prompts, so that the next token is not far. Prefill of running sequences goes on in order of admission; what rows are left starts waiting ones in queue order.
//    Where the first prompt takes longer than this step, a quarter of the rows is for a much shorter one, running or at the head of
//    the queue, so that it need not wait for a long one: the long one takes a third longer at most.
// 3. A waiting head that does not fit blocks those behind it, so nothing starves. It is admitted when all of its pages fit
//    beside what running prefills still need, with one spare page for every four running sequences.
// 4. When decoding needs more pages than are free, the latest admitted give theirs back, never the first: it always advances.
// Cost: O(running + admitted + prompts x running). Pure; nothing allocates once the vectors of `batch` are warm.
#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

#include "verbatim/schedule/batch.hpp"

namespace verbatim {

/// Models scheduler. Preconditions: cached < tokens for each waiting, computed < tokens for each running sequence.
struct first_come {
  void operator()(std::span<waiting const> w, std::span<running const> r, batch& out) const {
    out.clear();
    room left{out.limits.tokens, out.limits.free_pages, out.limits.page};
    auto const kept = preempt(r, left, out);
    decode(kept, left, out);
    if (!out.run.empty()) left.rows = std::min(left.rows, std::max(out.limits.chunk, 1));
    short_prompt const quick = much_shorter(w, kept, left);
    long const owed = prefill(kept, quick, left, out);
    if (out.preempt.empty()) admit(w, int(kept.size()), owed, left, out);
    for (std::size_t i = 0; i < kept.size() && left.rows > 0; ++i) grant(kept, i, left.rows, left, out);   // what nobody took
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

  /// A prompt that goes along with the first one: so many rows for the running sequence of that index, or (none) for the head of the queue.
  struct short_prompt {
    static constexpr std::size_t none = ~std::size_t{};
    std::size_t index = none;
    int rows = 0;
  };
  static short_prompt much_shorter(std::span<waiting const> w, std::span<running const> r, room const& left) {
    std::size_t const first = std::size_t(std::find_if(r.begin(), r.end(), [](running const& s) { return !decodes(s); }) - r.begin());
    if (first == r.size() || r[first].tokens - r[first].computed <= left.rows) return {};
    short_prompt out;
    int least = (r[first].tokens - r[first].computed) / 4 + 1;
    for (std::size_t i = first + 1; i < r.size(); ++i)
      if (int const n = r[i].tokens - r[i].computed; !decodes(r[i]) && n < least) least = n, out = {i, n};
    if (!w.empty() && w.front().tokens - w.front().cached < least) out = {short_prompt::none, w.front().tokens - w.front().cached};
    out.rows = std::min(out.rows, (left.rows + 3) / 4);
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
      if (std::exchange(first, false) && quick.index != short_prompt::none) grant(r, quick.index, std::exchange(quick.rows, 0), left, out);
    }
    return owed - (before - left.pages);
  }

  static void admit(std::span<waiting const> w, int rows, long owed, room& left, batch& out) {
    for (waiting const& s : w) {
      if (left.rows == 0 || rows >= out.limits.sequences) return;
      long const cached = s.cached / left.page;
      long const all = left.pages_for(s.tokens) - cached + s.cached_free;
      long const spare = (rows + 3) / 4;
      if (all + owed + spare > left.pages) return;
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
