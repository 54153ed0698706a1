// Which leaves of keys and values decoding sequences have in common (same pages: samples of one prompt, cached prefixes), as plain
// data for kernel::mma_shared_attention, and the host function that finds it from page tables: once a step, not a layer.
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
/// Cost: count log count comparisons of first leaves, which end at the first page that differs, and what a group has in common. No memory
/// but the caller's.
inline int find_shared_prefixes(decoding_sequence const* of, int count, int page, int leaf, shared_run* runs, int* members, int* leaves_of) {
  std::fill_n(leaves_of, count, 0);
  if (leaf % page) return 0;   // a page that spans leaves
  int const pages = leaf / page;
  int candidates = 0;
  for (int s = 0; s < count; ++s)
    if (of[s].keys >= leaf) members[candidates++] = s;
  // Who has a first leaf in common comes to stand together, in order.
  std::sort(members, members + candidates, [&](int a, int b) {
    auto const [x, y] = std::mismatch(of[a].pages, of[a].pages + pages, of[b].pages);
    return x != of[a].pages + pages ? *x < *y : a < b;
  });
  int listed = 0;
  for (int begin = 0, end; begin < candidates; begin = end) {
    int const leader = members[begin];
    for (end = begin + 1; end < candidates && std::equal(of[leader].pages, of[leader].pages + pages, of[members[end]].pages);) ++end;
    if (end - begin < 2) continue;
    for (int i = begin; i < end; ++i) leaves_of[members[i]] = leader + 1, members[listed++] = members[i];   // until leaves are counted: of whose group it is
  }
  std::sort(members, members + listed, [&](int a, int b) { return leaves_of[a] != leaves_of[b] ? leaves_of[a] < leaves_of[b] : a < b; });
  auto const in_common = [&](decoding_sequence const& a, decoding_sequence const& b) {
    int const most = std::min(a.keys, b.keys) / leaf;
    int n = 1;
    while (n < most && std::equal(a.pages + n * pages, a.pages + (n + 1) * pages, b.pages + n * pages)) ++n;
    return n;
  };
  int found = 0;
  for (int first = 0, end_of_group; first < listed; first = end_of_group) {
    int const leader = members[first], group = leader + 1;
    int most = 0;
    for (end_of_group = first + 1; end_of_group < listed && leaves_of[members[end_of_group]] == group; ++end_of_group)
      most = std::max(most, leaves_of[members[end_of_group]] = in_common(of[leader], of[members[end_of_group]]));
    leaves_of[leader] = most;
    std::sort(members + first, members + end_of_group, [&](int a, int b) { return leaves_of[a] != leaves_of[b] ? leaves_of[a] > leaves_of[b] : a < b; });
    for (int begin = 0, left = end_of_group - first; left > 1;) {   // fewer and fewer of them go on; the leader and another come last
      int const end = leaves_of[members[first + left - 1]];
      if (end > begin) runs[found++] = {begin, end, first, left};
      begin = end;
      while (left > 0 && leaves_of[members[first + left - 1]] == end) --left;
    }
  }
  return found;
}

}  // namespace verbatim::kernel
