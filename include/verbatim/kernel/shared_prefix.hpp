// Which leaves of keys and values decoding sequences have in common (same pages: samples of one prompt, cached prefixes), as plain
// data for kernel::mma_shared_attention, and the host function that finds it from page tables: once a step, not a layer.
// Cost: a comparison of page ids per sequence, leaf and group; no memory but the caller's.
#pragma once
#include <algorithm>

namespace verbatim::kernel {

/// Leaves [first_leaf, end_leaf) that sequences members[first, first + count) of the step see through the same pages.
struct shared_run {
  int first_leaf, end_leaf, first, count;
};

/// A sequence with one row in the step: its pages, and the keys that it has, that of its row included.
struct decoding_sequence {
  int const* pages;
  int keys;
};

/// Fills runs, members and leaves_of, each with room for `count`, and gives the number of runs. A sequence joins the first one before
/// it with which it has its first leaf in common. leaves_of[s]: leaves of s, from its first, that runs cover. Only whole leaves.
inline int find_shared_prefixes(decoding_sequence const* of, int count, int page, int leaf, shared_run* runs, int* members, int* leaves_of) {
  std::fill_n(leaves_of, count, 0);
  if (leaf % page) return 0;   // a page that spans leaves
  int const pages = leaf / page;
  auto const in_common = [&](decoding_sequence const& a, decoding_sequence const& b) {
    int const most = std::min(a.keys, b.keys) / leaf;
    int n = 0;
    while (n < most && std::equal(a.pages + n * pages, a.pages + (n + 1) * pages, b.pages + n * pages)) ++n;
    return n;
  };
  int found = 0, listed = 0;
  for (int leader = 0; leader < count; ++leader) {
    if (leaves_of[leader] > 0) continue;
    int const first = listed;
    for (int s = leader + 1; s < count; ++s) {
      if (leaves_of[s] > 0) continue;
      leaves_of[s] = in_common(of[leader], of[s]);
      if (leaves_of[s] > 0) members[listed++] = s, leaves_of[leader] = std::max(leaves_of[leader], leaves_of[s]);
    }
    if (listed == first) continue;
    members[listed++] = leader;
    std::sort(members + first, members + listed, [&](int a, int b) { return leaves_of[a] != leaves_of[b] ? leaves_of[a] > leaves_of[b] : a < b; });
    for (int begin = 0, left = listed - first; left > 1;) {   // fewer and fewer of them go on; the leader and another come last
      int const end = leaves_of[members[first + left - 1]];
      if (end > begin) runs[found++] = {begin, end, first, left};
      begin = end;
      while (left > 0 && leaves_of[members[first + left - 1]] == end) --left;
    }
  }
  return found;
}

}  // namespace verbatim::kernel
