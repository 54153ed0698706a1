// Which leaves decoding sequences share, against a search over all pairs; random page tables as forks and prefixes make them.
#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "catch.hpp"
#include "verbatim/backend/cpu/shared_leaves.hpp"

using namespace verbatim;

TEST_CASE("cpu/shared_leaves: units are leaves that all their members see whole, through the same pages") {
  constexpr int page = 16, leaf = 64, pages_in_leaf = leaf / page;
  std::mt19937 random(1);
  int units = 0, largest = 0;
  for (int round = 0; round < 1000; ++round) {
    int const count = 1 + int(random() % 20);
    std::vector<std::vector<int>> tables;
    int fresh = 0;
    for (int i = 0; i < count; ++i) {
      std::vector<int> t;
      if (i > 0 && random() % 4) {   // a prefix of another's
        t = tables[random() % tables.size()];
        t.resize(random() % (t.size() + 1));
      }
      for (std::size_t n = t.size() + 1 + random() % 12; t.size() < n;) t.push_back(fresh++);
      tables.push_back(std::move(t));
    }
    std::vector<slice> slices;
    int rows = 0;
    for (auto const& t : tables) {
      int const n = random() % 5 ? 1 : 2, most = int(t.size()) * page;
      slices.push_back({rows, n, int(random() % unsigned(most - n + 1)), t.data()});
      rows += n;
    }
    cpu::shared_leaves shared({.slices = 20, .pages = 400, .page = page}, leaf, 2, 16);
    step s{};
    s.slices = count, s.slice_of = slices.data();
    shared.begin(s);
    auto const whole = [&](int i) { return slices[std::size_t(i)].rows == 1 ? (slices[std::size_t(i)].first_position + 1) / leaf : 0; };
    std::map<int, std::vector<int>> leaves_seen;   // of each slice, in units
    for (auto const& u : shared.units()) {
      ++units, largest = std::max(largest, u.count);
      REQUIRE(u.count >= 2);
      int const* const m = shared.members() + u.first;
      for (int k = 0; k < u.count; ++k) {
        REQUIRE(u.leaf < whole(m[k]));
        REQUIRE(std::equal(slices[std::size_t(m[k])].pages + u.leaf * pages_in_leaf, slices[std::size_t(m[k])].pages + (u.leaf + 1) * pages_in_leaf,
                           slices[std::size_t(m[0])].pages + u.leaf * pages_in_leaf));
        leaves_seen[m[k]].push_back(u.leaf);
      }
    }
    for (int i = 0; i < count; ++i) {
      auto seen = leaves_seen[i];
      std::sort(seen.begin(), seen.end());
      REQUIRE(int(seen.size()) == shared.leaves_of(i));
      for (std::size_t k = 0; k < seen.size(); ++k) REQUIRE(seen[k] == int(k));   // each leaf once, from the first
      bool alone = true;
      for (int j = 0; j < count && whole(i) > 0; ++j)
        if (j != i && whole(j) > 0)
          alone = alone && !std::equal(slices[std::size_t(i)].pages, slices[std::size_t(i)].pages + pages_in_leaf, slices[std::size_t(j)].pages);
      REQUIRE(alone == (shared.leaves_of(i) == 0));
    }
  }
  CHECK(units > 500);
  CHECK(largest > 5);
}

TEST_CASE("cpu/shared_leaves: nothing where a page spans leaves, or memory has no room") {
  int const pages[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  slice const both[2] = {{0, 1, 300, pages}, {1, 1, 310, pages}};
  step s{};
  s.slices = 2, s.slice_of = both;
  cpu::shared_leaves fits({.slices = 2, .pages = 8, .page = 64}, 64, 2, 16), spans({.slices = 2, .pages = 8, .page = 128}, 64, 2, 16),
      small({.slices = 2, .pages = 8, .page = 64}, 64, 1 << 20, 1 << 10);
  fits.begin(s), spans.begin(s), small.begin(s);
  CHECK(fits.leaves_of(1) == 4);
  CHECK((spans.units().empty() && spans.leaves_of(1) == 0));
  CHECK((small.units().empty() && small.leaves_of(0) == 0));
}
