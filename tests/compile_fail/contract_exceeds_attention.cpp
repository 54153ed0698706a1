// expect: pipeline::contract asks for more than pipeline::attention offers
#include "verbatim/engine/pipeline.hpp"

struct stream_k_attention {
  using policy = void;
  static constexpr auto offers = verbatim::guarantee::run_to_run;
};

struct misused : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
  using attention = stream_k_attention;
#ifdef CONTROL
  static constexpr auto contract = verbatim::fastest;
#else
  static constexpr auto contract = verbatim::batch_invariant;
#endif
};

static_assert(verbatim::check<misused>());
