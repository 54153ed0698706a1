// The contract on a GPU: sampled log-probabilities are those of a pass over the same tokens, whatever the schedule, with graphs,
// rounded-up batches, forks, prefix hits, preemptions and cancels.
#include "gpu.hpp"
#include "../conformance/schedules.hpp"

using namespace schedules;

namespace {

template <class P> void check(std::string const& architecture, int count, std::uint32_t seed) {
  std::string config = config_of(architecture, "bfloat16");
  config.replace(config.find("\"head_dim\":16"), 13, "\"head_dim\":64");
  config.replace(config.find("\"hidden_size\":48"), 16, "\"hidden_size\":256");
  folder const model(config);
  verbatim::engine<P> pass({.checkpoint = model.path(), .random_weights = true, .threads = 4, .max_batch = 8});
  std::mt19937 random(seed);
  counts n;
  for (int i = 0; i < count; ++i) {
    CAPTURE(architecture, i);
    one_schedule<P>(random, model.path(), pass, n);
    REQUIRE((n.different == 0 && n.failed == 0));
  }
  std::printf("%-8s on %s: %d schedules, %ld tokens of %ld sequences, %ld different bits; %ld replayed, %ld forks, %ld cancelled, %ld preemptions, %ld tokens from prefixes\n",
              architecture.c_str(), P::device::name, count, n.tokens, n.sequences, n.different, n.replayed, n.forks, n.cancelled, n.preemptions, n.hits);
  CHECK((n.replayed > 0 && n.forks > 0 && n.cancelled > 0 && n.preemptions > 0 && n.hits > 0));
}

}  // namespace

TEST_CASE("gpu: sampled log-probabilities are those of a pass") {
  if (!have_gpu()) return;
  int const count = std::getenv("VERBATIM_SCHEDULES") ? std::max(1, std::atoi(std::getenv("VERBATIM_SCHEDULES"))) : 100;
  check<examples::llama_bf16_gpu>("llama", count, 1);
  check<examples::llama_bf16_gpu>("mistral", count, 2);
  check<examples::qwen2_bf16_gpu>("qwen2", count, 3);
  check<examples::qwen3_bf16_gpu>("qwen3", count, 4);
}
