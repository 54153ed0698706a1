// Which decoding sequences of a step have whole leaves of keys and values in common (same pages: forks of a prompt, cached
// prefixes), and where what such a leaf gave their queries waits to be merged. Found once a step, from page tables alone.
// Cost: a comparison of page ids per decoding sequence, leaf and group. All memory is made at construction.
#pragma once
#include <algorithm>
#include <cstddef>
#include <vector>

#include "verbatim/backend/memory.hpp"
#include "verbatim/backend/ops.hpp"
#include "verbatim/backend/step.hpp"

namespace verbatim::cpu {

class shared_leaves {
 public:
  /// Sequences that see leaf `leaf` through the same pages: members()[first, first + count), slices of the step.
  struct unit {
    int leaf, first, count;
  };

  shared_leaves(ops_limits const& limits, int leaf, int heads, int width) : page_(limits.page), leaf_(leaf), heads_(heads), entry_(width + 16) {
    std::size_t const each = std::size_t(limits.slices) * std::size_t(heads) * std::size_t(entry_) * sizeof(float);
    leaves_ = int(std::min<std::size_t>(std::size_t(limits.pages) * std::size_t(limits.page) / std::size_t(leaf), most_bytes / each));
    results_ = aligned_array<float>(std::size_t(leaves_) * each / sizeof(float));
    common_.resize(std::size_t(limits.slices)), group_.resize(std::size_t(limits.slices)), members_.reserve(std::size_t(limits.slices));
    leaders_.reserve(std::size_t(limits.slices)), units_.reserve(std::size_t(limits.slices) * std::size_t(std::max(1, leaves_)) / 2 + 1);
  }

  void begin(step const& s) noexcept {
    members_.clear(), leaders_.clear(), units_.clear();
    std::fill(common_.begin(), common_.end(), 0);
    if (leaf_ % page_ || leaves_ == 0) return;   // a page that spans leaves
    for (int i = 0; i < s.slices; ++i) join(s, i);
    for (int g = 0; g < int(leaders_.size()); ++g) list(s, g);
  }

  std::vector<unit> const& units() const noexcept { return units_; }
  int const* members() const noexcept { return members_.data(); }
  /// Leaves of a slice, from its beginning, whose results come from here.
  int leaves_of(int slice) const noexcept { return common_[std::size_t(slice)]; }
  /// [values..., maximum, sum] of a slice's query head in a leaf; `values_offset` 0.
  float* result(int slice, int leaf, int head) noexcept {
    return results_.data() + ((std::size_t(slice) * std::size_t(leaves_) + std::size_t(leaf)) * std::size_t(heads_) + std::size_t(head)) * std::size_t(entry_);
  }

 private:
  static constexpr std::size_t most_bytes = std::size_t(64) << 20;   // beside the KV cache; untouched memory costs nothing

  /// Leaves that the only row of a slice sees whole; 0 where it has several rows.
  int whole(slice const& s) const noexcept { return s.rows == 1 ? std::min((s.first_position + 1) / leaf_, leaves_) : 0; }
  int in_common(slice const& a, slice const& b) const noexcept {
    int const most = std::min(whole(a), whole(b)), pages = leaf_ / page_;
    int n = 0;
    while (n < most && std::equal(a.pages + n * pages, a.pages + (n + 1) * pages, b.pages + n * pages)) ++n;
    return n;
  }
  /// Into the group of the first leader that it has a leaf in common with, else a group of its own.
  void join(step const& s, int i) noexcept {
    group_[std::size_t(i)] = -1;
    if (whole(s.slice_of[i]) == 0) return;
    for (int g = 0; g < int(leaders_.size()); ++g) {
      int const leader = leaders_[std::size_t(g)];
      if (int const n = in_common(s.slice_of[leader], s.slice_of[i]); n > 0) {
        group_[std::size_t(i)] = g, common_[std::size_t(i)] = n;
        common_[std::size_t(leader)] = std::max(common_[std::size_t(leader)], n);
        return;
      }
    }
    group_[std::size_t(i)] = int(leaders_.size());
    leaders_.push_back(i);
  }
  void list(step const& s, int g) noexcept {
    int const first = int(members_.size()), leaves = common_[std::size_t(leaders_[std::size_t(g)])];
    if (leaves == 0) return;
    for (int i = 0; i < s.slices; ++i)
      if (group_[std::size_t(i)] == g) members_.push_back(i);
    for (auto next = members_.begin() + first; next != members_.end(); ++next)   // most leaves first; in place, without memory
      std::rotate(std::find_if(members_.begin() + first, next, [&](int m) { return leaves_of(m) < leaves_of(*next); }), next, next + 1);
    int count = int(members_.size()) - first;
    for (int leaf = 0; leaf < leaves; ++leaf) {
      while (leaves_of(members_[std::size_t(first + count - 1)]) <= leaf) --count;
      units_.push_back({leaf, first, count});
    }
  }

  int page_, leaf_, heads_, entry_, leaves_ = 0;
  aligned_array<float> results_;
  std::vector<int> common_, group_, members_, leaders_;
  std::vector<unit> units_;
};

}  // namespace verbatim::cpu
