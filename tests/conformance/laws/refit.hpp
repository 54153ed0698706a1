// New weights for a running engine: every token is what the weights that it is tagged with give, nothing is lost, nothing stale is matched.
#pragma once
#include <cstdio>
#include <deque>

#include "subject.hpp"
#include "verbatim/weights/borrowed.hpp"

namespace laws {

/// Many refits under running requests: each span of tokens is scored the same by the weights that it names.
template <class P> void each_span_is_of_the_weights_that_it_names(subject const& s) {
  int const sets_of_weights = s.of(4, 2), refits = s.of(100, 5), at_once = s.of(32, 3), shared = s.of(64, 20);
  sets<P> const weight_sets(s.model, sets_of_weights);
  std::deque<verbatim::engine<P>> passes;   // one engine for each set, to score with
  for (auto const& set : weight_sets.of) {
    passes.emplace_back(s.config(2));
    passes.back().refit(weights::borrowed(set.tensors()));
  }
  auto config = s.config(2);
  config.max_batch = s.of(40, 4), config.step_tokens = config.chunk_tokens = s.of(200, 40);
  verbatim::engine<P> engine(config);
  engine.refit(weights::borrowed(weight_sets.of[0].tensors()));
  std::vector<std::size_t> set_of{0, 0};   // by the number of the weights; 0 is what the engine was made with

  std::mt19937 random(17);
  auto const stem = random_ids(random, 150, engine.config().vocabulary);
  std::deque<heard> answers;
  std::deque<request> asked;
  auto const submit = [&] {
    request r;
    r.prompt.assign(stem.begin(), stem.begin() + shared + below(random, s.of(80, 15)));   // shared beginnings: what is cached must be fresh
    r.prompt.push_back(token(answers.size() % 300));
    r.max_tokens = s.of(150, 8) + below(random, s.of(100, 4));
    r.ignore_eos = true;
    r.sampling.seed = random();
    asked.push_back(r);
    engine.submit(r, into(answers.emplace_back()));
  };
  for (int i = 0; i < at_once; ++i) submit();
  for (int refit = 0; refit < refits; ++refit) {
    for (int steps = 1 + below(random, 4); steps > 0; --steps) engine.poll();
    while (int(engine.jobs().unfinished()) < at_once) submit();
    std::size_t const set = (set_of.back() + 1 + std::size_t(below(random, sets_of_weights - 1))) % std::size_t(sets_of_weights);
    engine.refit(weights::borrowed(weight_sets.of[set].tensors()), {.version = "step " + std::to_string(refit)});
    set_of.push_back(set);
    REQUIRE(engine.weight_version() == "step " + std::to_string(refit));
  }
  for (int i = 0; i < 3; ++i) {   // under the last weights: what one has computed, the next one finds
    submit();
    for (int steps = 0; steps < 3; ++steps) engine.poll();
  }
  REQUIRE(drain(engine, 100000));
  CHECK(int(engine.stats().refits) == refits + 1);
  CHECK(engine.stats().pages_used == 0);
  CHECK(engine.stats().prefix_hits > 0);

  long tokens = 0, different = 0, spans = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    heard const& h = answers[i];
    REQUIRE(int(h.ids.size()) == asked[i].max_tokens);   // none is lost
    auto all = asked[i].prompt;
    all.insert(all.end(), h.ids.begin(), h.ids.end());
    for (std::size_t begin = 0, end; begin < h.ids.size(); begin = end, ++spans) {
      end = begin;
      while (end < h.ids.size() && h.weights[end] == h.weights[begin]) ++end;
      REQUIRE((end == h.ids.size() || h.weights[end] > h.weights[begin]));
      auto const scored = passes[set_of[std::size_t(h.weights[begin])]].score(std::span(all).first(asked[i].prompt.size() + end));
      for (std::size_t k = begin; k < end; ++k, ++tokens)
        different += std::bit_cast<std::uint32_t>(scored[asked[i].prompt.size() - 1 + k]) != std::bit_cast<std::uint32_t>(h.logprobs[k]);
    }
  }
  std::printf("%s: %d refits: %ld tokens of %zu sequences in %ld spans, %ld different bits\n", random_subject<P>::type().c_str(), refits, tokens, asked.size(), spans,
              different);
  CHECK(different == 0);
  CHECK(spans > long(asked.size()));
}

/// What older weights computed is never matched, whatever the policy; kept sequences go on.
template <class P> void stale_weights_are_never_matched(subject const& s) {
  sets<P> const two(s.model, 2);
  int const length = s.of(300, 40), most = s.of(40, 8), first = most / 2;
  for (auto kv : {verbatim::kv_policy::keep, verbatim::kv_policy::drop, verbatim::kv_policy::recompute}) {
    verbatim::engine<P> engine(s.config(2));
    engine.refit(weights::borrowed(two.of[0].tensors()));
    std::mt19937 random(5);
    request r;
    r.prompt = random_ids(random, length, 300);
    r.max_tokens = most;
    r.ignore_eos = true;
    heard running;
    engine.submit(r, into(running));
    while (int(running.ids.size()) < first) engine.poll();
    engine.refit(weights::borrowed(two.of[1].tensors()), {.kv = kv});
    auto const hits = engine.stats().prefix_hits;
    auto const fresh = verbatim::generate(engine, r).front();   // the same prompt, whose pages the old weights have filled
    REQUIRE(drain(engine, 100000));
    CHECK(int(running.ids.size()) == most);
    CHECK(running.weights.front() == 1);
    CHECK(running.weights.back() == 2);
    auto all = r.prompt;
    all.insert(all.end(), fresh.ids.begin(), fresh.ids.end());
    auto const scored = engine.score(all);
    CHECK(std::vector<float>(scored.begin() + length - 1, scored.end()) == fresh.logprobs);
    if (kv == verbatim::kv_policy::keep) CHECK(engine.stats().prefix_hits == hits);
    if (kv == verbatim::kv_policy::recompute) {
      auto whole = r.prompt;
      whole.insert(whole.end(), running.ids.begin(), running.ids.end());
      auto const again = engine.score(whole);
      for (std::size_t k = std::size_t(first); k < std::size_t(most); ++k)
        if (running.weights[k] == 2) CHECK(again[std::size_t(length) - 1 + k] == running.logprobs[k]);
    }
  }
}

/// Between the chunks of a prompt that is scored or shared by a group, everything comes from the new weights.
template <class P> void chunks_come_from_one_set_of_weights(subject const& s) {
  sets<P> const two(s.model, 2);
  int const long_prompt = s.of(400, 90), prompt_of_group = s.of(300, 80), most = s.of(10, 4);
  auto config = s.config(2);
  config.max_batch = 8, config.step_tokens = s.of(50, 20);
  verbatim::engine<P> engine(config);
  engine.refit(weights::borrowed(two.of[0].tensors()));
  std::mt19937 random(9);
  request scored;
  scored.prompt = random_ids(random, long_prompt, 300);
  scored.max_tokens = 0;
  scored.prompt_logprobs = 0;
  request group;
  group.prompt = random_ids(random, prompt_of_group, 300);
  group.max_tokens = most;
  group.count = 4;
  group.ignore_eos = true;
  std::vector<float> prompt;
  std::deque<heard> four(4);
  engine.submit(scored, [&](event const& e) {
    for (auto const& s : e.prompt) prompt.push_back(s.token.logprob);
  });
  engine.submit(group, [&](event const& e) { into(four[std::size_t(e.index)])(e); });
  for (int i = 0; i < 3; ++i) engine.poll();   // some chunks, no token yet
  REQUIRE(prompt.empty());
  REQUIRE(four[0].ids.empty());
  engine.refit(weights::borrowed(two.of[1].tensors()));
  REQUIRE(drain(engine, 100000));
  REQUIRE(int(prompt.size()) == long_prompt);
  auto const expected = engine.score(scored.prompt);
  CHECK(std::vector<float>(prompt.begin() + 1, prompt.end()) == expected);
  for (heard const& h : four) {
    REQUIRE(int(h.ids.size()) == most);
    auto all = group.prompt;
    all.insert(all.end(), h.ids.begin(), h.ids.end());
    auto const again = engine.score(all);
    CHECK(std::vector<float>(again.begin() + prompt_of_group - 1, again.end()) == h.logprobs);
  }
}

/// Prompt log-probabilities come from one set of weights, wherever the refit finds the prompt.
template <class P> void prompts_come_from_one_set_of_weights(subject const& s) {
  sets<P> const two(s.model, 2);
  std::mt19937 random(2);
  using policy = verbatim::kv_policy;
  for (int prompt : s.brief ? std::vector{33} : std::vector{33, 64, 65, 129}) {   // also: the last token alone in a step, after all of its prompt is scored
    for (int which = s.of(0, 1); which < 18; which += s.of(1, 5)) {
      int const polls = 1 + which % 6;
      policy const kv = which < 6 ? policy::recompute : which < 12 ? policy::drop : policy::keep;
      auto config = s.config();
      config.max_batch = s.of(16, 4), config.step_tokens = 32;
      verbatim::engine<P> engine(config);
      engine.refit(weights::borrowed(two.of[0].tensors()));
      request r;
      r.prompt = random_ids(random, prompt, 300);
      r.max_tokens = polls % 2;   // with a token, and only scored
      r.prompt_logprobs = 0;
      std::vector<float> told;
      std::uint64_t by = 0;
      engine.submit(r, [&](event const& e) {
        if (e.what == event::kind::started) by = e.weights;
        if (e.what == event::kind::started)
          for (auto const& s : e.prompt) told.push_back(s.token.logprob);
      });
      for (int i = 0; i < polls; ++i) engine.poll();
      engine.refit(weights::borrowed(two.of[1].tensors()), {.kv = kv});
      REQUIRE(drain(engine, 100000));
      REQUIRE(int(told.size()) == prompt);
      verbatim::engine<P> pass(s.config());
      pass.refit(weights::borrowed(two.of[by - 1].tensors()));
      CAPTURE(prompt, polls, int(kv), by);
      CHECK(std::vector<float>(told.begin() + 1, told.end()) == pass.score(r.prompt));
    }
  }
}

}  // namespace laws
