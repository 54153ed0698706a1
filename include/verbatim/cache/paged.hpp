// Paged KV cache with shared prefixes: pages are counted references, full pages enter a prefix index, and pages that no
// sequence holds stay cached until room is needed (least recently used first, a prefix after what continues it, as without its
// beginning the rest is never found).
// Invariants: a page that is shared or indexed is full and never written again; a sequence writes its own last page only.
// Cost: O(pages touched) per call; nothing allocates after construction. One thread.
#pragma once
#include <cassert>
#include <memory>
#include <optional>
#include <string>

#include "verbatim/cache/concept.hpp"
#include "verbatim/cache/prefix_index.hpp"
#include "verbatim/core/error.hpp"

namespace verbatim {

/// The book behind paged<Page>, for any page size; see the concept kv_cache.
class paged_book {
 public:
  using match_result = prefix_match;
  using page_copy = verbatim::page_copy;

  /// `pages` of `page` tokens for at most `sequences` at once, each of at most `pages_per_sequence` pages (0: all). `window`: what
  /// a token sees, itself included; pages that no later token sees are given back (0: everything is seen).
  /// Throws error("engine", 20) when a number is not positive or too large.
  paged_book(int page, int pages, int sequences, int pages_per_sequence, int window = 0)
      : window_(window), page_(checked("tokens per page", page)), pages_(checked("pages", pages, 0x7fffffff / page_)), sequences_(checked("sequences", sequences)),
        run_(pages_per_sequence <= 0 ? pages_ : window > 0 ? pages_per_sequence : std::min(pages_, pages_per_sequence)), index_(pages_, page_),
        state_(std::size_t(pages_)), slots_(std::size_t(sequences_)),
        table_(new int[std::size_t(sequences_) * std::size_t(run_)]) {
    free_.reserve(std::size_t(pages_)), free_slots_.reserve(std::size_t(sequences_)), copies_.reserve(std::size_t(sequences_));
    for (int p = pages_; p-- > 0;) free_.push_back(p);
    for (int s = sequences_; s-- > 0;) free_slots_.push_back(s);
  }

  /// The longest cached prefix of ids, in whole pages.
  prefix_match match(std::span<token const> ids) const {
    prefix_match found;
    for_each_cached(ids, [&](int p) { found.tokens += page_, found.free_pages += state_[std::size_t(p)].refs == 0; });
    if (int const unseen = unseen_pages(found.tokens); unseen > 0)   // which open gives back at once
      for_each_cached(ids.first(std::size_t(unseen) * std::size_t(page_)), [&](int p) { found.free_pages -= state_[std::size_t(p)].refs == 0; });
    return found;
  }
  /// A new sequence that adopts the cached pages of the first `adopt_tokens` tokens (whole pages; what match found).
  /// nullopt: no slot is free. length() tells how much was adopted.
  std::optional<sequence> open(std::span<token const> ids, int adopt_tokens) {
    if (free_slots_.empty()) return std::nullopt;
    int const s = free_slots_.back();
    free_slots_.pop_back();
    slot& q = slots_[std::size_t(s)];
    q = {.open = true, .epoch = epoch_, .parent = prefix_index::root(version_)};
    adopt_tokens = std::clamp(adopt_tokens, 0, int(std::min<std::size_t>(ids.size(), std::size_t(run_) * std::size_t(page_))));
    for_each_cached(ids.first(std::size_t(adopt_tokens)), [&](int p) {
      hold(p), table(s)[q.pages++] = p, q.length += page_, q.parent = index_.serial(p);
    });
    give_back_unseen(s);
    return sequence(s);
  }
  int length(sequence s) const { return at(s).length; }
  std::span<int const> pages(sequence s) const { return {table(int(s)), std::size_t(at(s).pages)}; }
  int shared_pages(sequence s) const {
    int n = at(s).gone;   // nor do these return with it
    for (int p : pages(s).subspan(std::size_t(n))) n += state_[std::size_t(p)].refs > 1;
    return n;
  }

  /// Makes pages for `tokens` tokens beyond length. false: there is no room, and nothing changed.
  bool reserve(sequence s, int tokens) {
    slot& q = at(s);
    long const wanted = (long(q.length) + std::max(0, tokens) + page_ - 1) / page_;
    if (wanted - q.pages > free_pages() || wanted > run_) return false;
    while (q.pages < wanted) table(int(s))[q.pages++] = take_page();
    return true;
  }
  /// The KV of these tokens, which follow the committed ones, is in pages that were reserved.
  void commit(sequence s, std::span<token const> ids) {
    slot& q = at(s);
    assert(long(q.length) + long(ids.size()) <= long(q.pages) * page_);
    for (token id : ids) {
      int const p = table(int(s))[q.length / page_];
      index_.tokens(p)[std::size_t(q.length % page_)] = id;
      if (++q.length % page_ == 0 && q.epoch == epoch_) enter(q, p);
    }
    give_back_unseen(int(s));
  }
  /// A second sequence with the same tokens: full pages are shared, the last one is copied (copies()). nullopt: no slot or
  /// no page, and nothing changed.
  std::optional<sequence> fork(sequence s) {
    slot const from = at(s);
    int const full = from.length / page_, part = from.length % page_;
    if (free_slots_.empty() || (part && free_pages() < 1)) return std::nullopt;
    int const t = free_slots_.back();
    free_slots_.pop_back();
    slot& q = slots_[std::size_t(t)];
    q = from;
    q.pages = full;
    for (int i = 0; i < full; ++i) table(t)[i] = table(int(s))[i];
    for (int i = q.gone; i < full; ++i) hold(table(t)[i]);
    if (part) {
      int const source = table(int(s))[full], copy = take_page();
      table(t)[q.pages++] = copy;
      std::ranges::copy(index_.tokens(source).first(std::size_t(part)), index_.tokens(copy).begin());
      copies_.push_back({source, copy});
    }
    return sequence(t);
  }
  /// The sequence ends. Pages that are in the index stay cached until their room is needed.
  void release(sequence s) {
    slot& q = at(s);
    while (q.pages > q.gone) drop(table(int(s))[--q.pages]);   // last first: a prefix is evicted after what continues it
    if (q.gone > 0) renew(int(s));
    q = {};
    free_slots_.push_back(int(s));
  }

  /// Copies to be made, in order, before the next step; then copies_done().
  std::span<verbatim::page_copy const> copies() const { return copies_; }
  void copies_done() { copies_.clear(); }

  int free_pages() const { return int(free_.size()) + cached_; }
  int total_pages() const { return pages_; }
  int used_pages() const { return pages_ - free_pages(); }
  /// Forgets every cached prefix. Running sequences keep their pages, which enter the index no more.
  void flush() {
    for (int p = 0; p < pages_; ++p) {
      if (!index_.contains(p)) continue;
      if (state_[std::size_t(p)].refs == 0) unlink(p), free_.push_back(p);
      index_.erase(p);
    }
    ++epoch_;
  }
  /// From now on sequences match and enter pages of this weight version only; those that run now enter none.
  void set_version(std::uint64_t v) {
    if (v != version_) version_ = v, ++epoch_;
  }

 private:
  struct page_state { int refs = 0, older = -1, newer = -1; };   // the links are those of the cached list
  struct slot {
    bool open = false;
    int pages = 0, length = 0;
    int gone = 0;   ///< of its pages, from the first, that were given back; their entries say nothing
    std::uint64_t epoch = 0, parent = 0;   ///< parent: serial of its last full page in the index
  };
  static int checked(char const* what, int n, int most = 1 << 24) {   // positions of all pages together stay within int
    if (n <= 0 || n > most)
      throw error("engine", 20, std::string("KV cache: ") + what + " must be between 1 and " + std::to_string(most) +
                                    ", got " + std::to_string(n));
    return n;
  }
  slot& at(sequence s) { assert(std::size_t(s) < slots_.size() && slots_[std::size_t(s)].open); return slots_[std::size_t(s)]; }
  slot const& at(sequence s) const { return const_cast<paged_book*>(this)->at(s); }
  int* table(int s) const { return table_.get() + std::size_t(s) * std::size_t(run_); }

  /// Pages that the token at `length` and those after it do not see: it sees positions from length + 1 - window.
  int unseen_pages(int length) const { return window_ > 0 ? std::max(0, length + 1 - window_) / page_ : 0; }
  void give_back_unseen(int s) {
    slot& q = slots_[std::size_t(s)];
    for (int const unseen = unseen_pages(q.length); q.gone < unseen; ++q.gone) drop(table(s)[q.gone], q.gone > 0 ? table(s)[q.gone - 1] : -1);
  }
  /// What can still be found of a sequence, and nobody holds, counts as used now; its beginning, which it gave back first, as the last.
  void renew(int s) {
    std::uint64_t before = prefix_index::root(version_);
    int found = 0;
    for (int const full = slots_[std::size_t(s)].length / page_; found < full; ++found) {
      int const p = table(s)[found];
      if (!index_.contains(p) || index_.parent(p) != before) break;
      before = index_.serial(p);
    }
    while (found-- > 0)
      if (int const p = table(s)[found]; state_[std::size_t(p)].refs == 0) unlink(p), link(p, -1);
  }

  template <class F> void for_each_cached(std::span<token const> ids, F&& f) const {
    std::uint64_t parent = prefix_index::root(version_);
    for (; ids.size() >= std::size_t(page_); ids = ids.subspan(std::size_t(page_))) {
      int const p = index_.find(parent, ids.first(std::size_t(page_)));
      if (p < 0) return;
      parent = index_.serial(p);
      f(p);
    }
  }
  /// A full page: into the index, unless another page holds the same; the chain goes on from the one in the index.
  void enter(slot& q, int p) {
    int const known = index_.find(q.parent, index_.tokens(p));
    if (known < 0) index_.insert(p, q.parent);
    q.parent = index_.serial(known < 0 ? p : known);
  }
  void hold(int p) {
    if (state_[std::size_t(p)].refs++ == 0) unlink(p);
  }
  /// `before`: the page before it in its sequence, to be evicted after it; or none.
  void drop(int p, int before = -1) {
    if (--state_[std::size_t(p)].refs > 0) return;
    if (!index_.contains(p)) return free_.push_back(p);
    bool const waits = before >= 0 && state_[std::size_t(before)].refs == 0 && index_.contains(before) && index_.serial(before) == index_.parent(p);
    link(p, waits ? before : -1);
  }
  /// Into the cached list, as the next older of `newer`; -1: as the newest.
  void link(int p, int newer) {
    int const older = newer < 0 ? newest_ : state_[std::size_t(newer)].older;
    state_[std::size_t(p)] = {0, older, newer};
    (older < 0 ? oldest_ : state_[std::size_t(older)].newer) = p;
    (newer < 0 ? newest_ : state_[std::size_t(newer)].older) = p;
    ++cached_;
  }
  void unlink(int p) {
    page_state& x = state_[std::size_t(p)];
    (x.older < 0 ? oldest_ : state_[std::size_t(x.older)].newer) = x.newer;
    (x.newer < 0 ? newest_ : state_[std::size_t(x.newer)].older) = x.older;
    x.older = x.newer = -1, --cached_;
  }
  int take_page() {
    if (free_.empty()) {
      int const p = oldest_;
      unlink(p), index_.erase(p), free_.push_back(p);
    }
    int const p = free_.back();
    free_.pop_back();
    state_[std::size_t(p)].refs = 1;
    return p;
  }

  int window_, page_, pages_, sequences_, run_;
  prefix_index index_;
  std::vector<page_state> state_;
  std::vector<slot> slots_;
  std::unique_ptr<int[]> table_;   // [sequences][run], untouched memory until used
  std::vector<int> free_, free_slots_;
  std::vector<verbatim::page_copy> copies_;
  int oldest_ = -1, newest_ = -1, cached_ = 0;
  std::uint64_t epoch_ = 1, version_ = 0;
};

/// Pages of `Page` tokens, shared between sequences with a common prefix. The default cache.
template <int Page> struct paged {
  static_assert(Page > 0, "paged<Page>: a page holds at least one token");
  static constexpr int page = Page;
  struct view { int const* pages; };
  class book : public paged_book {
   public:
    explicit book(int pages, int sequences = 1024, int pages_per_sequence = 0)
        : paged_book(Page, pages, sequences, pages_per_sequence) {}
  };
};

}  // namespace verbatim
