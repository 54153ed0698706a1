// Random schedules of an engine, and the comparison of what was sampled with a pass over the same tokens: for on_policy.cpp and
// on_policy_device.cpp.
#pragma once
#include <bit>
#include <cstdio>
#include <deque>

#include "catch.hpp"
#include "random_models.hpp"
#include "verbatim/front/generate.hpp"

namespace schedules {

using namespace random_models;
using verbatim::request;
using verbatim::token;

/// How large random schedules are.
struct sizes {
  int shortest = 300, span = 500;   ///< of the longest prompt
  int requests = 12, tokens = 40, batch = 64, step = 512;
};

struct counts {
  long sequences = 0, tokens = 0, replayed = 0, cancelled = 0, preemptions = 0, hits = 0, forks = 0, different = 0, failed = 0;
};

/// One continuation as its sink saw it.
struct heard {
  std::vector<token> ids{};
  std::vector<std::uint32_t> logprobs{};
  bool cancelled = false, finished = false;
};

inline std::vector<std::uint32_t> bits(std::span<float const> x) {
  std::vector<std::uint32_t> out;
  for (float v : x) out.push_back(std::bit_cast<std::uint32_t>(v));
  return out;
}

inline request random_request(std::mt19937& random, std::vector<std::vector<token>> const& stems, int vocabulary, sizes const& size) {
  request r;
  if (below(random, 3)) {   // a shared beginning: prefix hits
    r.prompt = stems[std::size_t(below(random, int(stems.size())))];
    r.prompt.resize(std::size_t(1 + below(random, int(r.prompt.size()))));
  }
  auto const own = random_ids(random, 1 + below(random, size.tokens), vocabulary);
  r.prompt.insert(r.prompt.end(), own.begin(), own.end());
  r.max_tokens = 1 + below(random, size.tokens);
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
inline bool is_own_distribution(verbatim::sampling_params const& s) {
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

template <class P> void one_schedule(std::mt19937& random, std::filesystem::path const& model, verbatim::engine<P>& pass, counts& n, sizes const& size = {}) {
  int const context = pass.context(), vocabulary = pass.config().vocabulary, page = pass.resources().page_tokens;
  std::size_t const page_bytes = pass.resources().kv_bytes / std::size_t(pass.resources().kv_pages);
  int const longest = size.shortest + below(random, size.span);
  verbatim::engine_config config{.checkpoint = model, .random_weights = true, .threads = 1 + below(random, 2),
                                 .max_batch = 1 + below(random, size.batch), .step_tokens = 1 + below(random, size.step),
                                 .chunk_tokens = below(random, 3) ? 1 + below(random, size.step) : 0};
  config.weights = pass.resources().formats.weights;
  config.kv = pass.resources().formats.kv;
  config.context = std::min(context, longest + 2 * size.tokens + 20);
  int const run = (config.context + page - 1) / page;
  config.kv_bytes = page_bytes * std::size_t(run + below(random, run + 1));   // little: preemptions
  verbatim::engine<P> engine(config);

  std::vector<std::vector<token>> stems;
  for (int i = 0; i < 3; ++i) stems.push_back(random_ids(random, 1 + below(random, longest), vocabulary));
  std::vector<request> asked;
  std::deque<std::vector<heard>> answers;
  std::vector<verbatim::ticket> tickets;
  for (int i = 1 + below(random, size.requests); i > 0; --i) {
    request const r = random_request(random, stems, vocabulary, size);
    auto& out = answers.emplace_back(std::size_t(r.count));
    asked.push_back(r);
    tickets.push_back(engine.submit(r, [&out, &n](verbatim::event const& e) {
      heard& h = out[std::size_t(e.index)];
      if (e.what == verbatim::event::kind::token) h.ids.push_back(e.sample.id), h.logprobs.push_back(std::bit_cast<std::uint32_t>(e.sample.logprob));
      if (e.what == verbatim::event::kind::finished)
        n.failed += e.finish == verbatim::finish_reason::error, h.finished = true, h.cancelled = e.finish == verbatim::finish_reason::cancelled;
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

}  // namespace schedules
