// expect: pipeline::schedule must model verbatim::scheduler
#include "verbatim/engine/pipeline.hpp"

struct lazy {
  void operator()(verbatim::batch& out) const { out.clear(); }
};

struct misused : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
#ifdef CONTROL
  using schedule = verbatim::first_come;
#else
  using schedule = lazy;
#endif
};

static_assert(verbatim::check<misused>());
