#include "verbatim/cache/paged.hpp"

#include <algorithm>
#include <numeric>
#include <vector>

#include "catch.hpp"
#include "verbatim/cache/contiguous.hpp"

using namespace verbatim;
using book = paged<4>::book;

namespace {
std::vector<token> count_up(int n, int from = 0) {
  std::vector<token> v(std::size_t(n), 0);
  std::iota(v.begin(), v.end(), from);
  return v;
}
sequence run(book& b, std::vector<token> const& ids) {
  auto const s = b.open(ids, b.match(ids).tokens);
  REQUIRE(s);
  auto const rest = std::span(ids).subspan(std::size_t(b.length(*s)));
  REQUIRE(b.reserve(*s, int(rest.size())));
  b.commit(*s, rest);
  return *s;
}
}  // namespace

TEST_CASE("cache/paged shares whole pages of a common prefix") {
  book b(16);
  auto const a = run(b, count_up(10));
  CHECK(b.used_pages() == 3);
  auto const m = b.match(count_up(20));
  CHECK(m.tokens == 8);
  CHECK(m.free_pages == 0);
  auto const c = run(b, count_up(10));
  CHECK(b.used_pages() == 4);   // two shared, one each
  CHECK(b.pages(a)[1] == b.pages(c)[1]);
  CHECK(b.pages(a)[2] != b.pages(c)[2]);
  CHECK(b.shared_pages(a) == 2);
  b.release(a), b.release(c);
  CHECK(b.used_pages() == 0);
  CHECK(b.match(count_up(20)).tokens == 8);
  CHECK(b.match(count_up(20)).free_pages == 2);
  CHECK(b.match(count_up(20, 1)).tokens == 0);
  CHECK(b.match(count_up(3)).tokens == 0);
}

TEST_CASE("cache/paged adopts no more than is asked for") {
  book b(16);
  b.release(run(b, count_up(12)));
  auto const s = *b.open(count_up(12), 8);
  CHECK(b.length(s) == 8);
  auto const t = *b.open(count_up(12), 0);
  CHECK(b.length(t) == 0);
  auto const u = *b.open(count_up(12), 1 << 30);
  CHECK(b.length(u) == 12);
}

TEST_CASE("cache/paged evicts the least recently used, and what continues a prefix before the prefix") {
  book b(6);
  b.release(run(b, count_up(12)));         // three pages
  b.release(run(b, count_up(8, 100)));     // two pages, later
  b.release(run(b, count_up(4)));          // touches the first page of the first
  auto const s = *b.open({}, 0);
  REQUIRE(b.reserve(s, 8));                // one free page and one evicted: the last of the first prompt
  CHECK(b.match(count_up(12)).tokens == 8);
  CHECK(b.match(count_up(8, 100)).tokens == 8);
  REQUIRE(b.reserve(s, 16));
  CHECK(b.match(count_up(12)).tokens == 4);
  CHECK(b.match(count_up(8, 100)).tokens == 4);
  CHECK(!b.reserve(s, 28));
  REQUIRE(b.reserve(s, 24));
  CHECK(b.match(count_up(12)).tokens == 0);
}

TEST_CASE("cache/paged forgets on flush and keeps versions apart") {
  book b(16);
  auto const s = run(b, count_up(8));
  b.set_version(1);
  CHECK(b.match(count_up(8)).tokens == 0);
  REQUIRE(b.reserve(s, 8));
  b.commit(s, count_up(8, 8));             // begun under the old weights: must not enter the index
  b.release(s);
  CHECK(b.match(count_up(16)).tokens == 0);
  b.release(run(b, count_up(8)));
  CHECK(b.match(count_up(8)).tokens == 8);
  b.set_version(0);
  CHECK(b.match(count_up(16)).tokens == 8);
  b.flush();
  CHECK(b.match(count_up(16)).tokens == 0);
  CHECK(b.free_pages() == 16);
}

TEST_CASE("cache/paged forks without a page when the last one is full, and refuses when there is no slot or page") {
  paged<4>::book b(3, 2);
  auto const s = *b.open({}, 0);
  REQUIRE(b.reserve(s, 8));
  b.commit(s, count_up(8));
  auto const f = b.fork(s);
  REQUIRE(f);
  CHECK(b.copies().empty());
  CHECK(b.free_pages() == 1);
  CHECK(!b.fork(s));                       // two sequences at most
  CHECK(!b.open({}, 0));
  b.release(*f);
  REQUIRE(b.reserve(s, 1));
  b.commit(s, count_up(1, 8));
  CHECK(!b.fork(s));                       // the partial page would need one more
  CHECK(b.free_pages() == 0);
}

TEST_CASE("cache/paged refuses silly sizes") {
  CHECK_THROWS_AS(paged<4>::book(0), error);
  CHECK_THROWS_AS(paged<4>::book(-5), error);
  CHECK_THROWS_AS(paged<4>::book(4, 0), error);
  CHECK_THROWS_AS(paged<16>::book(1 << 28), error);
  CHECK_THROWS_AS(contiguous<4>::book(0), error);
  CHECK_THROWS_AS(contiguous<4>::book(4, 1, 5), error);
}

TEST_CASE("cache/prefix_index finds exactly what was inserted after removals in any order") {
  prefix_index index(64, 2);
  auto const root = prefix_index::root(0);
  std::vector<int> in;
  std::uint32_t x = 1;
  for (int round = 0; round < 20000; ++round) {
    x = x * 1664525u + 1013904223u;
    int const p = int(x >> 16) % 64;
    if (index.contains(p)) {
      index.erase(p);
      std::erase(in, p);
    } else {
      index.tokens(p)[0] = p, index.tokens(p)[1] = 7;
      index.insert(p, root);
      in.push_back(p);
    }
    if (round % 16) continue;
    for (int q = 0; q < 64; ++q) {
      token const ids[] = {q, 7};
      bool const present = std::find(in.begin(), in.end(), q) != in.end();
      REQUIRE(index.find(root, ids) == (present ? q : -1));
      REQUIRE(index.find(root + 1, ids) == -1);
    }
  }
}
