// expect: pipeline::cache must model verbatim::kv_cache
#include "verbatim/engine/pipeline.hpp"

struct bookless {
  static constexpr int page = 64;
  struct view { int const* pages; };
};

struct misused : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
#ifdef CONTROL
  using cache = verbatim::paged<64>;
#else
  using cache = bookless;
#endif
};

static_assert(verbatim::check<misused>());
