// The contract on a GPU: sampled log-probabilities are those of a pass over the same tokens, whatever the schedule, with graphs,
// rounded-up batches, forks, prefix hits, preemptions and cancels.
#include "engines.hpp"
#include "gpu.hpp"
#include "../conformance/schedules.hpp"

#include <initializer_list>

using namespace schedules;

namespace {

template <class P> counts check(std::string const& architecture, std::string const& type, int count, std::uint32_t seed, variant const& v = {.hidden = 256}) {
  folder const model(config_of(architecture, type, with_heads_of(device_head_dim(type), v)));
  verbatim::engine<P> pass({.checkpoint = model.path(), .random_weights = true, .threads = 4, .max_batch = 8});
  std::mt19937 random(seed);
  counts n;
  for (int i = 0; i < count; ++i) {
    CAPTURE(architecture, type, i);
    one_schedule<P>(random, model.path(), pass, n);
    REQUIRE((n.different == 0 && n.failed == 0));
  }
  std::printf("%-8s %-8s on %s: %d schedules, %ld tokens of %ld sequences, %ld different bits; %ld replayed, %ld forks, %ld cancelled, %ld preemptions, "
              "%ld tokens from prefixes\n",
              architecture.c_str(), type.c_str(), P::device::name, count, n.tokens, n.sequences, n.different, n.replayed, n.forks, n.cancelled, n.preemptions, n.hits);
  return n;
}
/// All kinds of interruptions have been there: among all of a test, since preemptions are rare in pages of 64.
void all_were_seen(std::initializer_list<counts> const& of) {
  for (long counts::*seen : {&counts::replayed, &counts::forks, &counts::cancelled, &counts::preemptions, &counts::hits}) {
    long n = 0;
    for (counts const& c : of) n += c.*seen;
    CHECK(n > 0);
  }
}

int how_many() {
  char const* const set = std::getenv("VERBATIM_SCHEDULES");
  return set ? std::max(1, std::atoi(set)) : 100;
}

}  // namespace

TEST_CASE("gpu: sampled log-probabilities are those of a pass") {
  if (!have_gpu()) return;
  all_were_seen({check<examples::llama_bf16_gpu>("llama", "bfloat16", how_many(), 1),
                 check<examples::llama_bf16_gpu>("mistral", "bfloat16", how_many(), 2),
                 check<examples::qwen2_bf16_gpu>("qwen2", "bfloat16", how_many(), 3),
                 check<examples::qwen3_bf16_gpu>("qwen3", "bfloat16", how_many(), 4)});
}
TEST_CASE("gpu: sampled log-probabilities are those of a pass, in f32 and with short leaves and pages") {
  if (!have_gpu()) return;
  all_were_seen({check<test_engines::gpu_llama_f32>("llama", "float32", how_many(), 5),
                 check<test_engines::gpu_llama_f32>("mistral", "float32", how_many(), 6),
                 check<test_engines::gpu_llama_bf16>("llama", "bfloat16", how_many(), 7)});
}
TEST_CASE("gpu: sampled log-probabilities are those of a pass, where sums over k are cut among blocks") {
  if (!have_gpu()) return;
  int const few = std::max(8, how_many() / 4);   // each makes an engine of forty million weights
  using device = test_engines::gpu_llama_bf16::device::executor;
  long const before = device::split;
  all_were_seen({check<examples::qwen2_bf16_gpu>("qwen2", "bfloat16", few, 8, wide),
                 check<test_engines::gpu_llama_bf16>("llama", "bfloat16", few, 9, wide)});
  CHECK(device::split > before);
}
