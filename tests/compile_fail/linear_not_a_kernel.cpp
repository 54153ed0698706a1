// expect: pipeline::linear must model verbatim::linear_kernel
#include "verbatim/engine/pipeline.hpp"

struct undeclared {
  using policy = void;
};

struct misused : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
#ifdef CONTROL
  static constexpr auto contract = verbatim::batch_invariant;
#else
  using linear = undeclared;
#endif
};

static_assert(verbatim::check<misused>());
