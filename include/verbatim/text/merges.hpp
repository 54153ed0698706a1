// The merge rules of BPE and their application: of all adjacent pairs that have a rule, the one with the lowest rank is
// joined, the leftmost first, until none is left. Short words do this over arrays on the stack; long ones with a heap and a
// linked list, O(n log n), so that a megabyte without a space is no trap. Same result either way.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "verbatim/core/token.hpp"
#include "verbatim/text/vocabulary.hpp"

namespace verbatim::detail {

class merges {
 public:
  static constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
  struct rule {
    std::uint32_t rank = none;
    token result = -1;
  };

  void reserve(std::size_t rules) { slots_.assign(std::bit_ceil(rules * 2 + 2), {}); }
  /// At most as many as were reserved for. The last rule for a pair counts.
  void add(token left, token right, rule r) {
    std::uint64_t const key = key_of(left, right);
    for (std::size_t i = place(key);; i = (i + 1) & (slots_.size() - 1)) {
      auto& s = slots_[i];
      if (s.key != key && s.what.rank != none) continue;
      s = {key, r};
      return;
    }
  }
  rule find(token left, token right) const noexcept {
    std::uint64_t const key = key_of(left, right);
    for (std::size_t i = place(key);; i = (i + 1) & (slots_.size() - 1)) {
      auto const& s = slots_[i];
      if (s.key == key || s.what.rank == none) return s.what;
    }
  }

  /// Joins the symbols from `first` to the end of `ids`, in place.
  void apply(std::vector<token>& ids, std::size_t first) const {
    std::size_t const n = ids.size() - first;
    if (n < 2 || slots_.empty()) return;
    ids.resize(first + (n <= short_run ? apply_small(ids.data() + first, n) : apply_large(ids.data() + first, n)));
  }

 private:
  static constexpr std::size_t short_run = 48;
  struct slot {
    std::uint64_t key = 0;
    rule what;
  };
  static std::uint64_t key_of(token a, token b) noexcept { return std::uint64_t(std::uint32_t(a)) << 32 | std::uint32_t(b); }
  std::size_t place(std::uint64_t key) const noexcept { return hash_mix(key ^ seed_, 0x9E3779B97F4A7C15u) & (slots_.size() - 1); }

  std::size_t apply_small(token* ids, std::size_t n) const noexcept {
    std::uint32_t ranks[short_run];
    token results[short_run];
    auto const look = [&](std::size_t i) {
      rule const r = find(ids[i], ids[i + 1]);
      ranks[i] = r.rank;
      results[i] = r.result;
    };
    for (std::size_t i = 0; i + 1 < n; ++i) look(i);
    while (n > 1) {
      std::size_t best = 0;
      for (std::size_t i = 1; i + 1 < n; ++i)
        if (ranks[i] < ranks[best]) best = i;
      if (ranks[best] == none) break;
      ids[best] = results[best];
      --n;
      for (std::size_t i = best + 1; i < n; ++i) {
        ids[i] = ids[i + 1];
        ranks[i] = ranks[i + 1];
        results[i] = results[i + 1];
      }
      if (best + 1 < n) look(best);
      if (best > 0) look(best - 1);
    }
    return n;
  }

  struct node {
    token id;
    std::uint32_t previous, next;   // none: at the end; next == own index: joined into another
  };
  struct candidate {
    std::uint32_t rank, at;
    token result;
    bool operator<(candidate const& o) const noexcept { return rank != o.rank ? rank > o.rank : at > o.at; }  // the least on top
  };

  std::size_t apply_large(token* ids, std::size_t n) const {
    std::vector<node> nodes(n);
    for (std::size_t i = 0; i < n; ++i) nodes[i] = {ids[i], i == 0 ? none : std::uint32_t(i - 1), i + 1 == n ? none : std::uint32_t(i + 1)};
    std::vector<candidate> heap;
    for (std::size_t i = 0; i + 1 < n; ++i)
      if (rule const r = find(ids[i], ids[i + 1]); r.rank != none) heap.push_back({r.rank, std::uint32_t(i), r.result});
    std::make_heap(heap.begin(), heap.end());
    auto const offer = [&](std::uint32_t at) {
      if (rule const r = find(nodes[at].id, nodes[nodes[at].next].id); r.rank != none) {
        heap.push_back({r.rank, at, r.result});
        std::push_heap(heap.begin(), heap.end());
      }
    };
    while (!heap.empty()) {
      std::pop_heap(heap.begin(), heap.end());
      candidate const c = heap.back();
      heap.pop_back();
      node& left = nodes[c.at];
      if (left.next == c.at || left.next == none) continue;   // joined already, or nothing behind
      node& right = nodes[left.next];
      if (find(left.id, right.id).result != c.result) continue;  // one of the two has changed since
      std::uint32_t const gone = left.next;
      left.id = c.result;
      left.next = right.next;
      right.next = gone;
      if (left.next != none) {
        nodes[left.next].previous = c.at;
        offer(c.at);
      }
      if (left.previous != none) offer(left.previous);
    }
    std::size_t out = 0;
    for (std::uint32_t i = 0; i != none; i = nodes[i].next) ids[out++] = nodes[i].id;
    return out;
  }

  std::vector<slot> slots_;
  std::uint64_t seed_ = hash_seed();
};

}  // namespace verbatim::detail
