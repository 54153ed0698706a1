// Batches of a model in its real shape: whatever the number of sequences that are decoded together, what they sample has the bits of a pass
// over each alone.
#pragma once
#include <cstdio>

#include "subject.hpp"
#include "verbatim/weights/floors.hpp"

namespace laws {

/// Prompts are of up to `own` tokens; every other one begins with the same `stem`, which is cached.
struct batch_plan {
  std::vector<int> batches;
  int stem = 280, own = 40, output = 24, step_tokens = 2048;   ///< stem: a leaf of attention, and part of a page
  int most() const { return *std::max_element(batches.begin(), batches.end()); }
  int context() const { return stem + own + output; }
};
/// Bytes of KV that hold the largest batch, each prompt by itself, in pages of up to 64.
inline std::size_t kv_bytes_for(batch_plan const& p, verbatim::model_config const& c, int width) {
  return std::size_t(verbatim::weights::floors_of(c, width).kv_bytes) * 64 * std::size_t(p.most() * (p.context() / 64 + 2));
}

template <class P> void batches_are_scored(std::filesystem::path const& config, batch_plan const& p) {
  verbatim::engine_config options{.checkpoint = config, .random_weights = true, .max_batch = p.most(), .step_tokens = p.step_tokens,
                                  .chunk_tokens = p.step_tokens, .context = p.context()};
  options.kv_bytes = kv_bytes_for(p, verbatim::read_config(config).config, int(sizeof(typename P::dtype)));
  verbatim::engine<P> engine(options);
  std::mt19937 random(31);
  int const vocabulary = engine.config().vocabulary;
  for (int batch : p.batches) {
    CAPTURE(batch);
    auto const stem = random_ids(random, p.stem, vocabulary);
    std::vector<request> requests;
    for (int i = 0; i < batch; ++i) {
      request r{.prompt = i % 2 ? stem : std::vector<token>(), .max_tokens = p.output, .sampling = {.seed = random()}, .ignore_eos = true};
      auto const own = random_ids(random, 1 + below(random, p.own), vocabulary);
      r.prompt.insert(r.prompt.end(), own.begin(), own.end());
      requests.push_back(std::move(r));
    }
    verbatim::generate(engine, request{.prompt = stem, .max_tokens = 1});
    auto const before = engine.stats();
    auto const done = verbatim::generate(engine, requests);
    auto const after = engine.stats();
    CHECK(after.preemptions == before.preemptions);
    CHECK((batch < 2 || after.prefix_hits > before.prefix_hits));
    // Together: what is not cached of the prompts takes a few steps, and in most of the others all of the batch decode.
    int const rows = batch * (p.own + engine.resources().page_tokens + p.output);
    CHECK(int(after.steps - before.steps) <= p.output + 3 + rows / p.step_tokens);
    long tokens = 0, different = 0;
    for (auto const& c : done) {
      CAPTURE(c.request, c.error);
      REQUIRE(int(c.ids.size()) == p.output);
      tokens += long(c.ids.size()), different += bits_not_scored(engine, requests[c.request], c);
    }
    std::printf("%s on %s: batch %d, %ld tokens sampled, %ld different bits\n", config.stem().string().c_str(), P::device::name, batch, tokens, different);
    std::fflush(stdout);
    CHECK(different == 0);
  }
}

}  // namespace laws
