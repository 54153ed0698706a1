// A backend that finishes rows by itself has a step in flight while the host packs the next one. Nothing of that shows: whatever ends
// sequences, interrupts them or changes the weights, each token, log-probability, text and end is what a request alone, waited for step
// by step, has under the same weights.
#pragma once
#include <cstdio>
#include <deque>

#include "subject.hpp"
#include "verbatim/weights/borrowed.hpp"

namespace laws::steps_ahead {

using verbatim::completion;
using verbatim::finish_reason;

/// A model that brings a tokenizer, with a head dimension that devices have. Ids beyond the tokenizer's say nothing.
template <class P> struct spoken_model : folder {
  explicit spoken_model(variant const& v = {}) : folder(config_of("llama", random_subject<P>::type(), with_heads_of(device_head_dim(random_subject<P>::type()), v))) {
    std::filesystem::copy(source_dir() / "examples/models/tiny-chat/tokenizer.json", path() / "tokenizer.json");
  }
};

inline verbatim::engine_config small(std::filesystem::path const& model) {
  return {.checkpoint = model, .random_weights = true, .threads = 1, .max_batch = 4, .step_tokens = 40, .context = 80};
}

/// One continuation as its sink heard it.
struct answer {
  completion got{};
  std::vector<float> prompt{};
  std::uint64_t prompt_weights = 0;
};
inline verbatim::event_sink into(std::vector<answer>& answers) {
  return [&answers](event const& e) {
    answer& a = answers[std::size_t(e.index)];
    a.got.text += e.text;
    if (e.what == event::kind::started) {
      a.prompt_weights = e.weights;
      for (auto const& t : e.prompt) a.prompt.push_back(t.token.logprob);
    } else if (e.what == event::kind::token) {
      if (a.got.weights.empty() || a.got.weights.back().number != e.weights) a.got.weights.push_back({.number = e.weights, .begin = int(a.got.ids.size())});
      a.got.ids.push_back(e.sample.id), a.got.logprobs.push_back(e.sample.logprob), a.got.raw_logprobs.push_back(e.raw_logprob);
      a.got.weights.back().end = int(a.got.ids.size());
    } else {
      a.got.finish = e.finish, a.got.stop_token = e.stop_token, a.got.error = e.error;
    }
  };
}

template <class T> std::vector<T> part(std::vector<T> const& all, int begin, int end) { return {all.begin() + begin, all.begin() + std::min(end, int(all.size()))}; }

struct counts {
  long tokens = 0, spans = 0, stopped = 0, stopped_by_text = 0, cancelled = 0, preemptions = 0, refits = 0, scored = 0, hits = 0;
};

/// Random requests, many of which end by what only the host sees.
struct requests {
  std::mt19937& random;
  std::vector<token> stem;
  bool by_itself;   ///< the device finishes all of them
  int vocabulary;

  request one(std::deque<std::vector<answer>> const& before, std::deque<request> const& asked) {
    request r;
    int const what = below(random, 3);
    if (what == 0) r.prompt.assign(stem.begin(), stem.begin() + 1 + below(random, int(stem.size())));
    else if (what == 1 && !asked.empty()) {   // goes on from an answer: its pages, and none of what was computed behind its end
      std::size_t const i = std::size_t(below(random, int(asked.size())));
      r.prompt = asked[i].prompt;
      auto const& ids = before[i].front().got.ids;
      r.prompt.insert(r.prompt.end(), ids.begin(), ids.end());
      r.prompt.resize(std::min<std::size_t>(r.prompt.size(), 50));
    }
    auto const own = random_ids(random, 1 + below(random, 6), vocabulary);
    r.prompt.insert(r.prompt.end(), own.begin(), own.end());
    r.max_tokens = below(random, 8) ? 1 + below(random, 16) : 0;
    r.ignore_eos = true;
    r.sampling.seed = random();
    r.sampling.temperature = 0.25f * float(below(random, 8));
    if (below(random, 4) == 0) r.sampling.top_k = 1 + below(random, 40);
    if (below(random, 6) == 0) r.forced = random_ids(random, below(random, r.max_tokens + 1), vocabulary);
    if (r.max_tokens == 0 || below(random, 6) == 0) r.prompt_logprobs = 0;
    if (below(random, 2)) r.stop_token_ids = random_ids(random, vocabulary / 10, vocabulary);
    // few ids are words there
    if (below(random, 4) == 0) r.stop = vocabulary < 1000 ? std::vector<std::string>{"e", "ab"} : std::vector<std::string>{"e", "a", "o", "r"};
    r.logprobs = verbatim::logprobs_mode(below(random, 3));
    if (by_itself) return r;
    if (below(random, 8) == 0) r.sampling.presence_penalty = 0.5f;
    if (below(random, 8) == 0) r.sampling.bad_words = {{7, 9}, {11}};
    if (below(random, 8) == 0) r.sampling.min_tokens = 1 + below(random, 6);
    if (below(random, 8) == 0) r.top_logprobs = 2;
    if (below(random, 6) == 0) r.count = 2;
    return r;
  }
};

/// What continuation k of the request has after `begin` given tokens, alone. Alternatives are asked for: the host has every row, and no step
/// is started before the one before is done.
template <class P> completion alone(verbatim::engine<P>& engine, request r, int k, std::vector<token> const& ids, int begin) {
  r.sampling.seed = verbatim::choice_seed(r.sampling.seed, k);
  r.count = 1;
  r.prompt_logprobs = -1;
  r.top_logprobs = 1;
  if (std::size_t(begin) > r.forced.size()) r.forced.assign(ids.begin(), ids.begin() + begin);
  return verbatim::generate(engine, r).front();
}

template <class P>
void check_answer(std::deque<verbatim::engine<P>>& alone_under, std::vector<std::size_t> const& set_of, request const& r, int k, answer const& a, counts& n) {
  completion const& got = a.got;
  REQUIRE(got.finish != finish_reason::none);
  REQUIRE(got.error == "");
  if (!a.prompt.empty()) {
    ++n.scored;
    CHECK(part(a.prompt, 1, 1000) == alone_under[set_of[std::size_t(a.prompt_weights)]].score(r.prompt));
  }
  bool const cancelled = got.finish == finish_reason::cancelled;
  n.stopped += got.stop_token >= 0, n.stopped_by_text += got.finish == finish_reason::stop && got.stop_token < 0, n.cancelled += cancelled;
  if (!cancelled && r.max_tokens > 0) REQUIRE(!got.ids.empty());
  for (std::size_t s = 0; s < got.weights.size(); ++s) {
    auto const [label, number, begin, end] = got.weights[s];
    CAPTURE(s, number, begin, end);
    bool const last = s + 1 == got.weights.size();
    completion const expected = alone(alone_under[set_of[std::size_t(number)]], r, k, got.ids, begin);
    CHECK(part(got.ids, begin, end) == part(expected.ids, begin, end));
    CHECK(part(got.logprobs, begin, end) == part(expected.logprobs, begin, end));
    if (r.logprobs == verbatim::logprobs_mode::both) CHECK(part(got.raw_logprobs, begin, end) == part(expected.raw_logprobs, begin, end));
    ++n.spans, n.tokens += end - begin;
    if (!last || cancelled) continue;
    CHECK(got.ids.size() == expected.ids.size());
    CHECK((got.finish == expected.finish && got.stop_token == expected.stop_token && got.text == expected.text));
  }
}

/// Random schedules give what a request alone gives.
template <class P> void schedules_give_what_requests_alone_give(int schedules, std::uint32_t seed, counts& n, variant const& v = {}) {
  spoken_model<P> const model(v);
  sets<P> const weight_sets(model.path(), 2);
  std::deque<verbatim::engine<P>> alone_under;
  for (auto const& set : weight_sets.of) alone_under.emplace_back(small(model.path())).refit(weights::borrowed(set.tensors()));
  std::mt19937 random(seed);
  for (int i = 0; i < schedules; ++i) {
    CAPTURE(i);
    auto config = small(model.path());
    config.max_batch = 1 + below(random, 6), config.step_tokens = 1 + below(random, 40), config.chunk_tokens = 1 + below(random, 20);
    auto const page_bytes = alone_under[0].resources().kv_bytes / std::size_t(alone_under[0].resources().kv_pages);
    config.kv_bytes = page_bytes * std::size_t(5 + below(random, 4));   // little: preemptions
    verbatim::engine<P> engine(config);
    engine.refit(weights::borrowed(weight_sets.of[0].tensors()));
    std::vector<std::size_t> set_of{0, 0};   // by the number of the weights; 0 is what the engine was made with
    requests make{random, random_ids(random, 40, v.vocabulary), i % 3 < 2, v.vocabulary};
    std::deque<std::vector<answer>> answers;
    std::deque<request> asked;
    std::vector<verbatim::ticket> tickets;
    for (int left = 8; left > 0; --left) {
      asked.push_back(make.one(answers, asked));
      auto& heard = answers.emplace_back(std::size_t(asked.back().count));
      tickets.push_back(engine.submit(asked.back(), into(heard)));
      for (int steps = below(random, 7); steps > 0; --steps) engine.poll();
      if (below(random, 8) == 0) tickets[std::size_t(below(random, int(tickets.size())))].cancel();
      int const order = below(random, 12);
      if (order == 0) {
        set_of.push_back(1 - set_of.back());
        engine.refit(weights::borrowed(weight_sets.of[set_of.back()].tensors()));
        ++n.refits;
      } else if (order == 1) {
        engine.carry_out(verbatim::orders::pause{.mode = verbatim::pause_mode(3 * below(random, 2)), .flush = true});   // keep or retract
        for (int k = 0; k < 3; ++k) CHECK(!engine.poll());
        engine.carry_out(verbatim::orders::resume{});
      } else if (order == 2) {
        engine.carry_out(verbatim::orders::flush{.running = true});
      }
    }
    while (engine.poll()) {}
    CHECK((engine.stats().pages_used == 0 && engine.stats().running == 0));
    n.preemptions += long(engine.stats().preemptions), n.hits += long(engine.stats().prefix_hits);
    for (std::size_t r = 0; r < asked.size(); ++r)
      for (std::size_t k = 0; k < answers[r].size(); ++k) {
        CAPTURE(r, k);
        check_answer(alone_under, set_of, asked[r], int(k), answers[r][k], n);
      }
  }
}

/// All kinds of ends and interruptions have been there.
inline void all_were_seen(counts const& n) {
  std::printf("%ld tokens in %ld spans, %ld prompts scored; ended by %ld tokens, %ld texts, %ld cancels; %ld preemptions, %ld refits, %ld tokens from prefixes\n",
              n.tokens, n.spans, n.scored, n.stopped, n.stopped_by_text, n.cancelled, n.preemptions, n.refits, n.hits);
  for (long counts::*seen : {&counts::scored, &counts::stopped, &counts::stopped_by_text, &counts::cancelled, &counts::preemptions, &counts::refits, &counts::hits})
    CHECK(n.*seen > 0);
}

/// A step stays in flight where the device finishes it, and where it does not, none.
template <class P> void steps_stay_in_flight() {
  spoken_model<P> const model;
  verbatim::engine<P> engine(small(model.path()));
  for (int alternatives : {-1, 0, 1}) {
    std::vector<answer> heard(1);
    std::uint64_t const before = engine.stats().steps;
    engine.submit({.prompt = {1, 2, 3}, .max_tokens = 4, .ignore_eos = true, .top_logprobs = alternatives}, into(heard));
    std::size_t const lag = runs_ahead<P> && alternatives < 1;
    for (std::size_t polls = 1; polls <= 4; ++polls) {
      CHECK(engine.poll());
      CHECK(engine.stats().steps - before == polls - lag);
      CHECK(heard[0].got.ids.size() == polls - lag);
    }
    CHECK(engine.poll() == bool(lag));   // the last one is only waited for: the end was known before
    CHECK(engine.stats().steps - before == 4);
    CHECK(heard[0].got.finish == finish_reason::length);
    CHECK(!engine.poll());
    CHECK(engine.stats().steps - before == 4);   // nothing ran beyond its end
  }
}

/// Who gives way has no row in flight, and who ends beside a row of the host is forgotten.
template <class P> void who_gives_way_is_forgotten() {
  spoken_model<P> const model;
  auto config = small(model.path());
  verbatim::engine<P> reference(config);
  config.kv_bytes = reference.resources().kv_bytes / std::size_t(reference.resources().kv_pages) * 4;   // of 16 tokens: the three need six
  verbatim::engine<P> engine(config);
  std::deque<std::vector<answer>> heard;
  std::deque<request> asked;
  auto const submit = [&](request r) {
    asked.push_back(std::move(r));
    engine.submit(asked.back(), into(heard.emplace_back(1)));
  };
  for (int i = 0; i < 3; ++i)
    submit({.prompt = std::vector<token>(std::size_t(12 + i), token(7 + i)), .max_tokens = 12, .sampling = {.seed = std::uint64_t(i)}, .ignore_eos = true});
  while (engine.poll()) {}
  CHECK(engine.stats().preemptions > 0);
  // One ends by the token of its sixth step, which the device finishes; the seventh brings a row of another to the host.
  completion const free = alone(reference, asked[0], 0, {}, 0);
  request stops = asked[0];
  stops.stop_token_ids = {free.ids[5]};
  submit(stops);
  for (int i = 0; i < 6; ++i) CHECK(engine.poll());
  submit({.prompt = {1, 2, 3}, .max_tokens = 3, .ignore_eos = true, .top_logprobs = 2});
  while (engine.poll()) {}
  CHECK(engine.stats().pages_used == 0);
  for (std::size_t i = 0; i < asked.size(); ++i) {
    CAPTURE(i);
    completion const expected = alone(reference, asked[i], 0, {}, 0);
    completion const& got = heard[i].front().got;
    CHECK((got.ids == expected.ids && got.logprobs == expected.logprobs && got.finish == expected.finish && got.error == ""));
  }
}

}  // namespace laws::steps_ahead
