// expect: sample<...>: stages come as logit ops, then truncations, then exactly one selector (greedy or gumbel)
#include "verbatim/engine/pipeline.hpp"

struct misused : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
#ifdef CONTROL
  using sampler = verbatim::sample<verbatim::temperature, verbatim::top_p, verbatim::gumbel>;
#else
  using sampler = verbatim::sample<verbatim::top_p, verbatim::temperature, verbatim::gumbel>;
#endif
};

static_assert(verbatim::check<misused>());
