#include "laws/kv_cache.hpp"

#include <numeric>

#include "verbatim/cache/contiguous.hpp"
#include "verbatim/cache/paged.hpp"
#include "verbatim/cache/sliding.hpp"

using namespace verbatim;

TEST_CASE("cache/paged<1> keeps the laws of kv_cache") { check_kv_cache_laws<paged<1>>(); }
TEST_CASE("cache/paged<16> keeps the laws of kv_cache") { check_kv_cache_laws<paged<16>>(); }
TEST_CASE("cache/paged<64> keeps the laws of kv_cache") { check_kv_cache_laws<paged<64>>(); }
TEST_CASE("cache/contiguous<16> keeps the laws of kv_cache") { check_kv_cache_laws<contiguous<16>>(); }
TEST_CASE("cache/sliding<16> keeps the laws of kv_cache, with and without a window") {
  check_kv_cache_laws<sliding<16>>(30000);
  for (int window : {1, 15, 16, 17, 40}) check_kv_cache_laws<sliding<16>>(30000, window);
}

TEST_CASE("cache/sliding: a long sequence holds what its window needs, and gives it all back") {
  sliding<16>::book book(12, 4, 100, 40);
  auto const s = book.open({}, 0);
  REQUIRE(s);
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(book.reserve(*s, 1));
    token const id = i;
    book.commit(*s, {&id, 1});
    CHECK(book.used_pages() <= 4);   // 40 positions touch four pages at most
  }
  CHECK(book.pages(*s).size() == 63);
  CHECK(book.shared_pages(*s) == 63 - book.used_pages());
  book.release(*s);
  CHECK(book.free_pages() == 12);
}
TEST_CASE("cache/sliding: the beginning of a prefix is evicted last") {
  constexpr int page = 16;
  std::vector<token> one(10 * page + 3);
  std::iota(one.begin(), one.end(), 1);
  sliding<page>::book book(12, 4, 100, 2 * page);
  auto const a = *book.open(one, 0);
  for (std::size_t i = 0; i < one.size(); i += 8) {
    auto const some = std::span(one).subspan(i, std::min<std::size_t>(8, one.size() - i));
    REQUIRE(book.reserve(a, int(some.size())));
    book.commit(a, some);
  }
  CHECK(book.match(one).tokens == 10 * page);
  auto const left_after_taking = [&](int pages) {
    auto const s = *book.open({}, 0);
    REQUIRE(book.reserve(s, pages * page));
    int const left = book.match(one).tokens / page;
    book.release(s);
    return left;
  };
  CHECK(left_after_taking(1 + 2) == 6);   // one is free; of those given back the latest go first
  book.release(a);
  CHECK(left_after_taking(12 - 4) == 4);  // two that are found no more went before
  CHECK(left_after_taking(11) == 1);
  CHECK(book.match(one).tokens == page);
}
