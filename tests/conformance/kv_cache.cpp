#include "laws/kv_cache.hpp"

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
