// Which leaves decoding sequences share (kernel/shared_prefix.hpp), against the definition in so many words: each with all before it. Random
// page tables as forks and cached prefixes make them, and none shared at all.
#include <algorithm>
#include <random>
#include <tuple>
#include <vector>

#include "catch.hpp"
#include "verbatim/kernel/shared_prefix.hpp"

using namespace verbatim::kernel;

namespace {

struct found {
  std::vector<std::tuple<int, int, int, int>> runs{};
  std::vector<int> members{}, leaves_of{};   ///< members: those that runs name
  bool operator==(found const&) const = default;
};

found by_the_library(std::vector<decoding_sequence> const& of, int page, int leaf) {
  std::size_t const count = of.size();
  std::vector<shared_run> runs(count + 1, {-1, -1, -1, -1});
  std::vector<int> members(count + 1, -1), leaves_of(count + 1, -1);
  int const n = find_shared_prefixes(of.data(), int(count), page, leaf, runs.data(), members.data(), leaves_of.data());
  REQUIRE((n >= 0 && std::size_t(n) <= count));
  CHECK((runs.back().first_leaf == -1 && members.back() == -1 && leaves_of.back() == -1));   // room for `count` is enough
  found out;
  int end = 0;
  for (int r = 0; r < n; ++r) {
    auto const [first_leaf, end_leaf, first, of_run] = runs[std::size_t(r)];
    out.runs.push_back({first_leaf, end_leaf, first, of_run}), end = std::max(end, first + of_run);
  }
  out.members.assign(members.begin(), members.begin() + end), out.leaves_of.assign(leaves_of.begin(), leaves_of.end() - 1);
  return out;
}

/// A sequence joins the first one before it that leads, or may, with which it has its first leaf in common; the most leaves first.
found by_definition(std::vector<decoding_sequence> const& of, int page, int leaf) {
  int const count = int(of.size());
  found out;
  out.leaves_of.assign(of.size(), 0);
  auto& leaves = out.leaves_of;
  auto const in_common = [&](decoding_sequence const& a, decoding_sequence const& b) {
    int n = 0;
    for (int whole = std::min(a.keys, b.keys) / leaf, pages = leaf / page; n < whole; ++n)
      for (int i = n * pages; i < (n + 1) * pages; ++i)
        if (a.pages[i] != b.pages[i]) return n;
    return n;
  };
  for (int leader = 0; leader < count && leaf % page == 0; ++leader) {
    if (leaves[std::size_t(leader)] > 0) continue;
    std::vector<int> group;
    int most = 0;
    for (int s = leader + 1; s < count; ++s) {
      if (leaves[std::size_t(s)] > 0) continue;
      int const n = leaves[std::size_t(s)] = in_common(of[std::size_t(leader)], of[std::size_t(s)]);
      if (n > 0) group.push_back(s), most = std::max(most, n);
    }
    if (group.empty()) continue;
    group.push_back(leader), leaves[std::size_t(leader)] = most;
    std::sort(group.begin(), group.end());
    std::stable_sort(group.begin(), group.end(), [&](int a, int b) { return leaves[std::size_t(a)] > leaves[std::size_t(b)]; });
    int const first = int(out.members.size());
    out.members.insert(out.members.end(), group.begin(), group.end());
    for (int begin = 0, end; begin < most; begin = end) {   // to where the next of them ends; whoever goes beyond `begin` is of the run
      end = most;
      int see = 0;
      for (int s : group)
        if (leaves[std::size_t(s)] > begin) end = std::min(end, leaves[std::size_t(s)]), ++see;
      out.runs.push_back({begin, end, first, see});
    }
  }
  return out;
}

}  // namespace

TEST_CASE("prefixes that sequences share are found, whole leaves only, most leaves first") {
  int const a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 2, 3, 4, 9, 9}, c[] = {7, 8, 3, 4, 5, 6}, d[] = {1, 2, 3, 4, 5, 6}, e[] = {1, 2, 0, 4, 0, 0};
  decoding_sequence const of[] = {{c, 96}, {a, 96}, {e, 50}, {b, 70}, {d, 95}, {a, 31}};   // the last has no whole leaf
  shared_run runs[6];
  int members[6], leaves_of[6];
  REQUIRE(find_shared_prefixes(of, 6, 16, 32, runs, members, leaves_of) == 2);
  CHECK(std::vector<int>(leaves_of, leaves_of + 6) == std::vector<int>{0, 2, 1, 2, 2, 0});
  CHECK(std::vector<int>(members, members + 4) == std::vector<int>{1, 3, 4, 2});
  CHECK((runs[0].first_leaf == 0 && runs[0].end_leaf == 1 && runs[0].first == 0 && runs[0].count == 4));
  CHECK((runs[1].first_leaf == 1 && runs[1].end_leaf == 2 && runs[1].first == 0 && runs[1].count == 3));
  CHECK(find_shared_prefixes(of, 6, 64, 32, runs, members, leaves_of) == 0);   // a page that spans leaves
}
TEST_CASE("prefixes that sequences share are those of the definition") {
  constexpr int page = 16;
  std::mt19937 random(1);
  auto const below = [&](int n) { return int(random() % unsigned(n)); };
  long shared = 0, several = 0, none = 0;
  for (int round = 0; round < 4000; ++round) {
    int const pages_in_leaf = 1 << below(3), leaf = pages_in_leaf * page, forks = below(5);   // of five, how many are forks
    int count = below(40), fresh = 0;
    std::vector<std::vector<int>> tables;
    std::vector<decoding_sequence> of;
    for (int i = 0; i < count; ++i) {
      std::vector<int> table;
      if (i > 0 && below(5) < forks) {
        auto const& from = tables[std::size_t(below(i))];
        table.assign(from.begin(), from.begin() + below(int(from.size()) + 1));
      }
      for (std::size_t n = table.size() + 1 + std::size_t(below(12)); table.size() < n;) table.push_back(fresh++ * 7919 % 4093);   // in no order
      tables.push_back(std::move(table));
    }
    for (auto const& t : tables) of.push_back({t.data(), 1 + below(int(t.size()) * page)});
    std::shuffle(of.begin(), of.end(), random);   // whoever was forked may come before what it was forked from
    CAPTURE(round, count, leaf);
    auto const expected = by_definition(of, page, leaf);
    REQUIRE(by_the_library(of, page, leaf) == expected);
    shared += !expected.runs.empty(), none += expected.runs.empty();
    several += std::count_if(expected.runs.begin(), expected.runs.end(), [](auto const& r) { return std::get<0>(r) == 0; }) > 1;
  }
  CHECK((shared > 1000 && several > 500 && none > 500));
}
