// expect: sample<...>: every stage must model verbatim::logit_op, verbatim::truncation or verbatim::selector
#include "verbatim/engine/pipeline.hpp"

struct nothing {
  struct params {};
};

struct misused : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
#ifdef CONTROL
  using sampler = verbatim::sample<verbatim::temperature, verbatim::gumbel>;
#else
  using sampler = verbatim::sample<nothing, verbatim::gumbel>;
#endif
};

static_assert(verbatim::check<misused>());
