// The simplest model of kv_cache: each sequence owns one run of consecutive pages from its opening to its end, of the
// largest length that a sequence may have. No sharing, no prefix index; a fork copies. For long single streams and as the
// second proof of the concept. Cost: O(1) per call, a fork O(its pages). Nothing allocates after construction. One thread.
#pragma once
#include <algorithm>
#include <cassert>
#include <numeric>
#include <string>
#include <vector>

#include "verbatim/cache/concept.hpp"
#include "verbatim/core/error.hpp"

namespace verbatim {

/// Runs of pages of `Page` tokens. A sequence counts as holding its whole run.
template <int Page> struct contiguous {
  static_assert(Page > 0, "contiguous<Page>: a page holds at least one token");
  static constexpr int page = Page;
  struct view { int const* pages; };

  class book {
   public:
    /// `pages` cut into runs of `pages_per_sequence`, or evenly among at most `sequences` where that is 0.
    /// Throws error("engine", 20) when a number is not positive or not one run fits.
    explicit book(int pages, int sequences = 8, int pages_per_sequence = 0)
        : run_(pages_per_sequence > 0 ? pages_per_sequence : pages / std::max(1, std::min(sequences, pages))) {
      if (pages <= 0 || sequences <= 0 || run_ > pages || pages > (1 << 28))
        throw error("engine", 20, "KV cache: " + std::to_string(pages) + " pages for runs of " + std::to_string(run_));
      slots_.resize(std::size_t(std::min(sequences, pages / run_)));
      table_.resize(slots_.size() * std::size_t(run_));
      std::iota(table_.begin(), table_.end(), 0);
      copies_.reserve(table_.size());
    }
    prefix_match match(std::span<token const>) const { return {}; }
    std::optional<sequence> open(std::span<token const>, int) {
      auto const free = std::ranges::find(slots_, -1, &slot::length);
      if (free == slots_.end()) return std::nullopt;
      free->length = 0, ++open_;
      return sequence(free - slots_.begin());
    }
    int length(sequence s) const { return at(s).length; }
    bool reserve(sequence s, int tokens) { return long(at(s).length) + std::max(0, tokens) <= long(run_) * Page; }
    void commit(sequence s, std::span<token const> ids) {
      slot& q = slots_[std::size_t(s)];
      assert(long(q.length) + long(ids.size()) <= long(run_) * Page);
      q.length += int(ids.size());
    }
    std::optional<sequence> fork(sequence s) {
      auto const t = open({}, 0);
      if (!t) return std::nullopt;
      int const length = slots_[std::size_t(*t)].length = at(s).length;
      for (int i = 0; i * Page < length; ++i) copies_.push_back({pages(s)[std::size_t(i)], pages(*t)[std::size_t(i)]});
      return t;
    }
    void release(sequence s) { slots_[std::size_t(s)].length = -1, --open_; }
    std::span<int const> pages(sequence s) const { return {table_.data() + std::size_t(s) * std::size_t(run_), std::size_t(run_)}; }
    int shared_pages(sequence) const { return 0; }
    std::span<page_copy const> copies() const { return copies_; }
    void copies_done() { copies_.clear(); }
    int free_pages() const { return total_pages() - used_pages(); }
    int used_pages() const { return open_ * run_; }
    int total_pages() const { return int(table_.size()); }
    void flush() {}
    void set_version(std::uint64_t) {}

   private:
    struct slot { int length = -1; };   // -1: free
    slot const& at(sequence s) const { assert(slots_[std::size_t(s)].length >= 0); return slots_[std::size_t(s)]; }

    int run_, open_ = 0;
    std::vector<slot> slots_;
    std::vector<int> table_;
    std::vector<page_copy> copies_;
  };
};

}  // namespace verbatim
