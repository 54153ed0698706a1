// What the library is for: log-probabilities that are reported while sampling equal, bit for bit, those of a forward pass
// over the same tokens, for every architecture in f32 and bf16, under random schedules: batch 1 to 64, chunks of 1 to 512
// tokens, one or two threads, plain and quantised weights, forks, prefix hits, preemptions, and cancels around them. Where a request samples from another
// distribution than the model's own, the pass is a replay of its tokens under the same parameters.
#include <cstdio>
#include <deque>

#include "schedules.hpp"
#include "../engines.hpp"

namespace {

using namespace schedules;

/// $VERBATIM_SCHEDULES, or what the tests run.
int how_many() {
  char const* const set = std::getenv("VERBATIM_SCHEDULES");
  return set ? std::max(1, std::atoi(set)) : 200;
}

}  // namespace

TEST_CASE("on policy: sampled log-probabilities are those of a pass over the same tokens, whatever the schedule") {
  std::uint32_t seed = 0;
  auto const check = [&]<class P>(char const* architecture, char const* type) {
    folder const model(config_of(architecture, type));
    std::deque<verbatim::engine<P>> passes;   // three of ten schedules store weights, keys and values as they are
    using verbatim::weight_format, verbatim::kv_format;
    for (auto f : {verbatim::storage_formats{}, {weight_format::int8}, {weight_format::int4}, {weight_format::int4, kv_format::int8}, {weight_format::w4a8},
                   {weight_format::w4a8, kv_format::int8}, {weight_format::checkpoint, kv_format::int8}, {weight_format::checkpoint, kv_format::bf16}})
      passes.emplace_back(verbatim::engine_config{.checkpoint = model.path(), .random_weights = true, .threads = 2, .max_batch = 8, .weights = f.weights, .kv = f.kv});
    std::mt19937 random(++seed);
    counts n;
    for (int i = 0; i < how_many(); ++i) {
      CAPTURE(architecture, type, i);
      one_schedule<P>(random, model.path(), passes[std::size_t(std::max(0, i % 10 - 2))], n);
      REQUIRE((n.different == 0 && n.failed == 0));
    }
    std::printf("%-8s %-8s %4d schedules: %6ld tokens of %5ld sequences, %ld different bits; %ld replayed, %ld forks, %ld cancelled, %ld preemptions, "
                "%ld tokens from prefixes\n", architecture, type, how_many(), n.tokens, n.sequences, n.different, n.replayed, n.forks, n.cancelled,
                n.preemptions, n.hits);
    CHECK((n.replayed > 0 && n.forks > 0 && n.cancelled > 0 && n.preemptions > 0 && n.hits > 0));
  };
  for_each(check);
  check.template operator()<test_engines::other_llama>("mistral", "bfloat16");   // a sliding cache, other attention and products
}
