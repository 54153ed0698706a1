// The contract on CUDA devices, under the host executor: sampled log-probabilities are those of a pass over the same tokens, whatever
// the schedule. The engine is the one that a GPU runs, kernel for kernel, but for who runs the kernels; schedules are small.
#include "schedules.hpp"
#include "../engines.hpp"

using namespace schedules;

namespace {

template <class P> counts check(char const* type, int count, std::uint32_t seed) {
  std::string config = config_of("llama", type);
  config.replace(config.find("\"head_dim\":16"), 13, std::string(type) == "bfloat16" ? "\"head_dim\":64" : "\"head_dim\":32");
  folder const model(config);
  verbatim::engine<P> pass({.checkpoint = model.path(), .random_weights = true, .threads = 1, .max_batch = 4, .step_tokens = 64, .context = 200});
  std::mt19937 random(seed);
  counts n;
  for (int i = 0; i < count; ++i) {
    CAPTURE(type, i);
    one_schedule<P>(random, model.path(), pass, n, {.shortest = 40, .span = 50, .requests = 9, .tokens = 18, .batch = 8, .step = 48});
    REQUIRE((n.different == 0 && n.failed == 0));
  }
  std::printf("%s on %s: %d schedules, %ld tokens of %ld sequences, %ld different bits; %ld replayed, %ld forks, %ld cancelled, %ld preemptions, %ld tokens from prefixes\n",
              type, P::device::name, count, n.tokens, n.sequences, n.different, n.replayed, n.forks, n.cancelled, n.preemptions, n.hits);
  return n;
}

}  // namespace

TEST_CASE("on policy: the kernels of CUDA devices") {
  counts const wide = check<test_engines::emulated_llama_f32>("float32", 2, 1), narrow = check<test_engines::emulated_llama_bf16>("bfloat16", 5, 2);
  for (long counts::*seen : {&counts::replayed, &counts::forks, &counts::cancelled, &counts::preemptions, &counts::hits}) CHECK(wide.*seen + narrow.*seen > 0);
}
