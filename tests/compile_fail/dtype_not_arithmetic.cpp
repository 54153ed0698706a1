// expect: pipeline::dtype must be verbatim::bf16 or float
#include "verbatim/engine/pipeline.hpp"

struct misused : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
#ifdef CONTROL
  using dtype = float;
#else
  using dtype = int;
#endif
};

static_assert(verbatim::check<misused>());
