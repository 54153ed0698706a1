// expect: pipeline::contract asks for more than pipeline::sampler offers
#include "verbatim/engine/pipeline.hpp"

// Any token of the row: which one depends on how the row was split.
struct arbitrary {
  static constexpr auto offers = verbatim::guarantee::run_to_run;
  struct params {};
  using partial = verbatim::score;
  static constexpr partial take(params const&, partial, verbatim::score s) { return s; }
  static constexpr partial merge(partial, partial b) { return b; }
  static constexpr verbatim::token result(partial a) { return a.id; }
};

struct misused : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
  using sampler = verbatim::sample<verbatim::temperature, arbitrary>;
#ifdef CONTROL
  static constexpr auto contract = verbatim::fastest;
#else
  static constexpr auto contract = verbatim::batch_invariant;
#endif
};

static_assert(verbatim::check<misused>());
