// expect: pipeline::sampler must be a verbatim::sample<...>: logit ops, then truncations, then one selector
#include "verbatim/engine/pipeline.hpp"

struct misused : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
#ifdef CONTROL
  using sampler = verbatim::sample<verbatim::gumbel>;
#else
  using sampler = verbatim::gumbel;
#endif
};

static_assert(verbatim::check<misused>());
