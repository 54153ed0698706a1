#include "laws/kv_cache.hpp"

#include "verbatim/cache/contiguous.hpp"
#include "verbatim/cache/paged.hpp"

using namespace verbatim;

TEST_CASE("cache/paged<1> keeps the laws of kv_cache") { check_kv_cache_laws<paged<1>>(); }
TEST_CASE("cache/paged<16> keeps the laws of kv_cache") { check_kv_cache_laws<paged<16>>(); }
TEST_CASE("cache/paged<64> keeps the laws of kv_cache") { check_kv_cache_laws<paged<64>>(); }
TEST_CASE("cache/contiguous<16> keeps the laws of kv_cache") { check_kv_cache_laws<contiguous<16>>(); }
