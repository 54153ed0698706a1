// What the library is for: log-probabilities that are reported while sampling equal, bit for bit, those of a forward pass
// over the same tokens, for every architecture in f32 and bf16, under random schedules: batch 1 to 64, chunks of 1 to 512
// tokens, one or two threads, plain and quantised weights, forks, prefix hits, preemptions, and cancels around them. Where a request samples from another
// distribution than the model's own, the pass is a replay of its tokens under the same parameters.
#include <bit>
#include <cstdio>
#include <deque>

#include "catch.hpp"
#include "random_models.hpp"
#include "../engines.hpp"
#include "verbatim/front/generate.hpp"

namespace {

using namespace random_models;
using verbatim::request;
using verbatim::token;

/// $VERBATIM_SCHEDULES, or what the tests run.
int schedules() {
  char const* const set = std::getenv("VERBATIM_SCHEDULES");
  return set ? std::max(1, std::atoi(set)) : 200;
}

struct counts {
  long sequences = 0, tokens = 0, replayed = 0, cancelled = 0, preemptions = 0, hits = 0, forks = 0, different = 0;
};

/// One continuation as its sink saw it.
struct heard {
  std::vector<token> ids{};
  std::vector<std::uint32_t> logprobs{};
  bool cancelled = false, finished = false;
};

std::vector<std::uint32_t> bits(std::span<float const> x) {
  std::vector<std::uint32_t> out;
  for (float v : x) out.push_back(std::bit_cast<std::uint32_t>(v));
  return out;
}

request random_request(std::mt19937& random, std::vector<std::vector<token>> const& stems, int vocabulary) {
  request r;
  if (below(random, 3)) {   // a shared beginning: prefix hits
    r.prompt = stems[std::size_t(below(random, int(stems.size())))];
    r.prompt.resize(std::size_t(1 + below(random, int(r.prompt.size()))));
  }
  auto const own = random_ids(random, 1 + below(random, 40), vocabulary);
  r.prompt.insert(r.prompt.end(), own.begin(), own.end());
  r.max_tokens = 1 + below(random, 40);
  r.ignore_eos = below(random, 2);
  r.count = below(random, 4) ? 1 : 2 + below(random, 4);
  r.sampling.seed = random();
  r.top_logprobs = below(random, 3) - 1;
  if (below(random, 3) == 0) {   // not the model's own distribution
    r.sampling.temperature = 0.3f + 0.2f * float(below(random, 8));
    if (below(random, 2)) r.sampling.top_p = 0.7f;
    if (below(random, 2)) r.sampling.top_k = 1 + below(random, 50);
    if (below(random, 3) == 0) r.sampling.repetition_penalty = 1.3f;
    if (below(random, 3) == 0) r.sampling.frequency_penalty = 0.4f;
    if (below(random, 3) == 0) r.sampling.logit_bias = {{5, 2.0f}, {7, -100.0f}};
  }
  return r;
}
bool is_own_distribution(verbatim::sampling_params const& s) {
  return s.temperature == 1 && s.top_p == 1 && s.top_k == 0 && s.repetition_penalty == 1 && s.frequency_penalty == 0 && s.logit_bias.empty();
}

/// Log-probabilities of the output by one pass over it: a score, or a replay.
template <class P> std::vector<std::uint32_t> by_a_pass(verbatim::engine<P>& engine, request const& r, heard const& h, counts& n) {
  if (is_own_distribution(r.sampling)) {
    auto all = r.prompt;
    all.insert(all.end(), h.ids.begin(), h.ids.end());
    auto const scored = engine.score(all);
    return bits(std::span(scored).subspan(r.prompt.size() - 1));
  }
  request replay = r;
  replay.count = 1;
  replay.forced = h.ids;
  replay.max_tokens = int(h.ids.size());
  replay.sampling.seed = 99;   // replay draws nothing
  ++n.replayed;
  auto const done = verbatim::generate(engine, replay).front();
  REQUIRE(done.ids == h.ids);
  return bits(done.logprobs);
}

template <class P> void one_schedule(std::mt19937& random, std::filesystem::path const& model, verbatim::engine<P>& pass, counts& n) {
  int const context = pass.context(), vocabulary = pass.config().vocabulary, page = pass.resources().page_tokens;
  std::size_t const page_bytes = pass.resources().kv_bytes / std::size_t(pass.resources().kv_pages);
  int const longest = 300 + below(random, 500);
  verbatim::engine_config config{.checkpoint = model, .random_weights = true, .threads = 1 + below(random, 2),
                                 .max_batch = 1 + below(random, 64), .step_tokens = 1 + below(random, 512), .chunk_tokens = below(random, 3) ? 1 + below(random, 512) : 0};
  config.weights = pass.resources().formats.weights;
  config.kv = pass.resources().formats.kv;
  config.context = std::min(context, longest + 100);
  int const run = (config.context + page - 1) / page;
  config.kv_bytes = page_bytes * std::size_t(run + below(random, run + 1));   // little: preemptions
  verbatim::engine<P> engine(config);

  std::vector<std::vector<token>> stems;
  for (int i = 0; i < 3; ++i) stems.push_back(random_ids(random, 1 + below(random, longest), vocabulary));
  std::vector<request> asked;
  std::deque<std::vector<heard>> answers;
  std::vector<verbatim::ticket> tickets;
  for (int i = 1 + below(random, 12); i > 0; --i) {
    request const r = random_request(random, stems, vocabulary);
    auto& out = answers.emplace_back(std::size_t(r.count));
    asked.push_back(r);
    tickets.push_back(engine.submit(r, [&out](verbatim::event const& e) {
      heard& h = out[std::size_t(e.index)];
      if (e.what == verbatim::event::kind::token) h.ids.push_back(e.sample.id), h.logprobs.push_back(std::bit_cast<std::uint32_t>(e.sample.logprob));
      if (e.what == verbatim::event::kind::finished) h.finished = true, h.cancelled = e.finish == verbatim::finish_reason::cancelled;
    }));
    for (int steps = below(random, 8); steps > 0; --steps) engine.poll();
    if (below(random, 6) == 0) tickets[std::size_t(below(random, int(tickets.size())))].cancel();
  }
  while (engine.poll()) {}

  auto const stats = engine.stats();
  n.preemptions += long(stats.preemptions), n.hits += long(stats.prefix_hits);
  CHECK(stats.pages_used == 0);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    n.forks += long(answers[i].size()) - 1;
    for (heard const& h : answers[i]) {
      REQUIRE(h.finished);
      n.cancelled += h.cancelled;
      if (h.ids.empty()) continue;
      auto const expected = by_a_pass(pass, asked[i], h, n);
      ++n.sequences, n.tokens += long(h.ids.size());
      REQUIRE(expected.size() == h.logprobs.size());
      for (std::size_t k = 0; k < expected.size(); ++k) n.different += expected[k] != h.logprobs[k];
    }
  }
}

}  // namespace

TEST_CASE("on policy: sampled log-probabilities are those of a pass over the same tokens, whatever the schedule") {
  std::uint32_t seed = 0;
  auto const check = [&]<class P>(char const* architecture, char const* type) {
    folder const model(config_of(architecture, type));
    std::deque<verbatim::engine<P>> passes;   // three of eight schedules store weights, keys and values as they are
    using verbatim::weight_format, verbatim::kv_format;
    for (auto f : {verbatim::storage_formats{}, {weight_format::int8}, {weight_format::int4}, {weight_format::int4, kv_format::int8}, {weight_format::checkpoint, kv_format::int8}, {weight_format::checkpoint, kv_format::bf16}})
      passes.emplace_back(verbatim::engine_config{.checkpoint = model.path(), .random_weights = true, .threads = 2, .max_batch = 8, .weights = f.weights, .kv = f.kv});
    std::mt19937 random(++seed);
    counts n;
    for (int i = 0; i < schedules(); ++i) {
      CAPTURE(architecture, type, i);
      one_schedule<P>(random, model.path(), passes[std::size_t(std::max(0, i % 8 - 2))], n);
      REQUIRE(n.different == 0);
    }
    std::printf("%-8s %-8s %4d schedules: %6ld tokens of %5ld sequences, %ld different bits; %ld replayed, %ld forks, %ld cancelled, %ld preemptions, %ld tokens from prefixes\n",
                architecture, type, schedules(), n.tokens, n.sequences, n.different, n.replayed, n.forks, n.cancelled, n.preemptions, n.hits);
    CHECK((n.replayed > 0 && n.forks > 0 && n.cancelled > 0 && n.preemptions > 0 && n.hits > 0));
  };
  for_each(check);
  check.template operator()<test_engines::other_llama>("mistral", "bfloat16");   // a sliding cache, other attention and products
}
