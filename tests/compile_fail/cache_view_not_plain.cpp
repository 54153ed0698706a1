// expect: pipeline::cache must model verbatim::kv_cache
#include <vector>

#include "verbatim/engine/pipeline.hpp"

// A view must cross to a device as plain bytes; this one owns memory.
struct owning : verbatim::paged<64> {
  struct view { std::vector<int> pages; };
};

struct misused : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
#ifdef CONTROL
  using cache = verbatim::paged<64>;
#else
  using cache = owning;
#endif
};

static_assert(verbatim::check<misused>());
