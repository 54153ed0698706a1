// expect: pipeline::contract asks for more than pipeline::linear offers
#include "verbatim/backend/cuda/device.hpp"
#include "verbatim/backend/cuda/library_linear.hpp"
#include "verbatim/engine/pipeline.hpp"

struct misused : verbatim::pipeline<verbatim::cuda::sm90, verbatim::qwen3> {
  using linear = verbatim::cuda::library_linear;
#ifdef CONTROL
  static constexpr auto contract = verbatim::fastest;
#endif
};

static_assert(verbatim::check<misused>());
