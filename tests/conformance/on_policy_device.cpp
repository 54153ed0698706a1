// The contract on CUDA devices, under the host executor: sampled log-probabilities are those of a pass over the same tokens, whatever
// the schedule. The engine is the one that a GPU runs, kernel for kernel, but for who runs the kernels; schedules are small.
#include "schedules.hpp"
#include "../engines.hpp"
#include "verbatim/engine/device_sampling.hpp"

using namespace schedules;

namespace {

template <class P> counts check(char const* type, int count, std::uint32_t seed) {
  folder const model(config_of("llama", type, {.head_dim = device_head_dim(type)}));
  verbatim::engine<P> pass({.checkpoint = model.path(), .random_weights = true, .threads = 1, .max_batch = 4, .step_tokens = 64, .context = 200});
  std::mt19937 random(seed);
  counts n;
  for (int i = 0; i < count; ++i) {
    CAPTURE(type, i);
    one_schedule<P>(random, model.path(), pass, n, {.shortest = 40, .span = 50, .requests = 9, .tokens = 18, .batch = 8, .step = 48});
    REQUIRE((n.different == 0 && n.failed == 0));
  }
  std::printf("%s on %s: %d schedules, %ld tokens of %ld sequences, %ld different bits; %ld replayed, %ld forks, %ld cancelled, %ld preemptions, "
              "%ld tokens from prefixes\n", type, P::device::name, count, n.tokens, n.sequences, n.different, n.replayed, n.forks, n.cancelled, n.preemptions, n.hits);
  return n;
}

}  // namespace

TEST_CASE("on policy: a device finishes rows that need nothing of the host's") {
  using verbatim::sampling_params, verbatim::kernel::sampling_row;
  auto const finishes = [](sampling_params const& p, verbatim::row_history const& h = {}) {
    return verbatim::detail::sampling_row_of(p, h, 7, -1, false).wanted == sampling_row::what::sample;
  };
  CHECK((finishes({}) && finishes({.temperature = 0}) && finishes({.temperature = 0.7f, .top_p = 0.9f, .top_k = 20, .min_p = 0.1f, .min_tokens = 3})));
  verbatim::token const stop[] = {2};
  std::uint16_t const counts[8] = {};
  verbatim::row_history h;
  h.stop_tokens = stop, h.output_counts = counts;
  CHECK(finishes({}, h));
  for (sampling_params const& p : {sampling_params{.logit_bias = {{3, 1.0f}}}, {.bad_words = {{1, 2}}}, {.min_tokens = 3}, {.repetition_penalty = 1.1f},
                                   {.presence_penalty = 0.1f}, {.frequency_penalty = 0.1f}})
    CHECK(!finishes(p, h));
}
TEST_CASE("on policy: the kernels of CUDA devices") {
  counts const wide = check<test_engines::emulated_llama_f32>("float32", 2, 1), narrow = check<test_engines::emulated_llama_bf16>("bfloat16", 5, 2);
  for (long counts::*seen : {&counts::replayed, &counts::forks, &counts::cancelled, &counts::preemptions, &counts::hits}) CHECK(wide.*seen + narrow.*seen > 0);
}
