// The engine against itself: what a request gets must not depend on its company, on memory pressure, on how it was
// chunked, forked, preempted or cached. Compared as bits.
#pragma once
#include <map>

#include "subject.hpp"

namespace laws {

inline request any_request(std::mt19937& random, int vocabulary, subject const& s) {
  request r;
  r.prompt = random_ids(random, 1 + below(random, s.of(60, 24)), vocabulary);
  r.max_tokens = 1 + below(random, s.of(30, 24));
  r.ignore_eos = below(random, 2);
  r.sampling.temperature = below(random, 3) ? 0.5f + 0.1f * float(below(random, 10)) : 0.0f;
  r.sampling.seed = random();
  if (below(random, 3) == 0) r.sampling.top_p = 0.8f;
  if (below(random, 4) == 0) r.sampling.top_k = 20;
  if (below(random, 4) == 0) r.sampling.presence_penalty = 0.5f;
  r.top_logprobs = below(random, 3) - 1;
  return r;
}

template <class P> void same_in_company(subject const& s) {
  std::mt19937 random(11);
  verbatim::engine<P> alone(s.config());
  std::vector<request> requests;
  for (int i = 0; i < 3; ++i)   // of pages of 16 two each when they begin, and three when they end: more than there are
    requests.push_back({.prompt = random_ids(random, 28 + i, alone.config().vocabulary), .max_tokens = 12, .sampling = {.seed = random()}, .ignore_eos = true});
  for (int i = 0; i < s.of(40, 8); ++i) requests.push_back(any_request(random, alone.config().vocabulary, s));
  std::vector<answer_bits> expected;
  for (auto const& r : requests) expected.push_back(bits(verbatim::generate(alone, r).front()));

  auto config = s.config(2);
  int const pages = 7;
  config.max_batch = s.of(24, 6);
  config.step_tokens = 29;                                 // odd chunks
  config.kv_bytes = bytes_of_pages(alone, pages);          // a fraction of what they need
  verbatim::engine<P> busy(config);
  REQUIRE(busy.resources().kv_pages <= pages);
  for (int round = 0; round < 2; ++round) {                // the second round meets a warm prefix index
    auto const done = verbatim::generate(busy, requests);
    for (std::size_t i = 0; i < done.size(); ++i) {
      CAPTURE(round, i, done[i].error);
      REQUIRE(bits(done[i]) == expected[i]);
    }
  }
  REQUIRE(drain(busy));
  auto const stats = busy.stats();
  CHECK(stats.preemptions > 0);
  CHECK(stats.prefix_hits > 0);
  CHECK(stats.pages_used == 0);
  CHECK(stats.running + stats.waiting == 0);
}

template <class P> void sampled_is_scored(subject const& s) {
  verbatim::engine<P> engine(s.config());
  std::mt19937 random(3);
  for (int i = 0; i < s.of(20, 4); ++i) {
    request r = any_request(random, engine.config().vocabulary, s);
    r.sampling = {.temperature = 1, .seed = r.sampling.seed};
    auto const done = verbatim::generate(engine, r).front();
    REQUIRE_FALSE(done.ids.empty());
    REQUIRE(bits_not_scored(engine, r, done) == 0);
  }
}

/// Groups that share a beginning and fork, with room for a fraction of them: what is sampled in steps of few rows, and computed anew after
/// preemptions, is what one step over all of a sequence gives.
template <class P> void forks_under_pressure_are_scored(subject const& s) {
  auto config = s.config();
  config.max_batch = config.step_tokens = 120, config.context = 120;   // a row of logits each: a sequence is scored in one step, of more than 64 rows
  verbatim::engine<P> pass(config);
  config.max_batch = s.of(24, 5), config.step_tokens = s.of(29, 24);
  config.kv_bytes = bytes_of_pages(pass, s.of(13, 8));
  verbatim::engine<P> busy(config);
  std::mt19937 random(21);
  auto const stem = random_ids(random, 49, pass.config().vocabulary);   // three pages of 16, and one token
  std::vector<request> requests;
  for (int i = 0; i < s.of(12, 3); ++i) {
    request r{.prompt = stem, .max_tokens = s.of(30, 10), .count = 1 + (i + 1) % 3 % s.of(3, 2), .sampling = {.seed = random()}, .ignore_eos = true};
    auto const own = random_ids(random, s.of(20, 9) + i % 4, pass.config().vocabulary);
    r.prompt.insert(r.prompt.end(), own.begin(), own.end());
    requests.push_back(std::move(r));
  }
  auto const done = verbatim::generate(busy, requests);
  auto const stats = busy.stats();
  CHECK((stats.preemptions > 0 && stats.prefix_hits > 0 && stats.pages_used == 0));
  for (auto const& c : done) {
    request const& r = requests[c.request];
    CAPTURE(c.request, c.index, c.error);
    REQUIRE(int(c.ids.size()) == r.max_tokens);
    REQUIRE(bits_not_scored(pass, r, c) == 0);
  }
}

template <class P> void continuations_share_their_prompt(subject const& s) {
  verbatim::engine<P> engine(s.config());
  std::mt19937 random(5);
  for (int i = 0; i < s.of(10, 3); ++i) {
    request r = any_request(random, engine.config().vocabulary, s);
    r.count = 1 + (s.brief ? i + 1 : i) % 5;
    r.sampling.temperature = 1;
    auto const group = verbatim::generate(engine, r);
    REQUIRE(int(group.size()) == r.count);
    for (int k = 0; k < r.count; ++k) {
      request one = r;
      one.count = 1;
      one.sampling.seed = verbatim::choice_seed(r.sampling.seed, k);
      REQUIRE(bits(verbatim::generate(engine, one).front()) == bits(group[std::size_t(k)]));
    }
  }
  REQUIRE(drain(engine));
  CHECK(engine.stats().pages_used == 0);
}

template <class P> void cancelled_requests_end(subject const& s) {
  auto config = s.config();
  config.max_batch = 4;
  verbatim::engine<P> engine(config);
  std::mt19937 random(9);
  std::vector<verbatim::ticket> tickets;
  std::map<int, verbatim::finish_reason> ended;
  for (int i = 0; i < 12; ++i) {
    request r = any_request(random, engine.config().vocabulary, s);
    r.max_tokens = s.of(500, 100), r.ignore_eos = true, r.count = 1 + i % 2;
    tickets.push_back(engine.submit(r, [&ended, i](event const& e) {
      if (e.what == event::kind::finished) ended[i] = e.finish;
    }));
  }
  for (int i = 0; i < 5; ++i) REQUIRE(engine.poll());
  CHECK(engine.stats().running == 4);
  for (auto const& t : tickets) t.cancel();
  engine.poll();
  CHECK(ended.size() == 12);
  for (auto const& [i, why] : ended) CHECK(why == verbatim::finish_reason::cancelled);
  CHECK(engine.stats().pages_used == 0);
  CHECK(engine.jobs().unfinished() == 0);
  CHECK_FALSE(engine.poll());
}

template <class P> void refused_requests_end_with_their_own_error(subject const& s) {
  verbatim::engine<P> engine(s.config());
  auto const why = [&](request r) {
    auto const done = verbatim::generate(engine, r).front();
    CHECK(done.finish == verbatim::finish_reason::error);
    return done.error;
  };
  CHECK(why({.prompt = {}}).find("[verbatim.engine.3]") == 0);
  CHECK(why({.prompt = {1, 99999}}).find("vocabulary") != std::string::npos);
  CHECK(why({.prompt = {1, -1}}).find("vocabulary") != std::string::npos);
  CHECK(why({.prompt = {1}, .max_tokens = -1}).find("max_tokens") != std::string::npos);
  CHECK(why({.prompt = {1}, .count = 100000}).find("count") != std::string::npos);
  CHECK(why({.prompt = std::vector<token>(100000, 1)}).find("may have") != std::string::npos);
  CHECK(why({.prompt = {1}, .sampling = {.temperature = -1}}).find("temperature") != std::string::npos);
  CHECK(why({.prompt = {1}, .stop = {""}}).find("stop") != std::string::npos);
  CHECK(verbatim::generate(engine, {.prompt = {1}, .max_tokens = 2, .ignore_eos = true}).front().ids.size() == 2);
}

template <class P> void prompt_logprobs_come_once(subject const& s) {
  verbatim::engine<P> engine(s.config());
  std::vector<token> const prompt{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21};
  auto const plain = engine.score(prompt);
  REQUIRE(plain.size() == prompt.size() - 1);
  int started = 0, tokens = 0;
  engine.submit({.prompt = prompt, .max_tokens = 3, .count = 2, .ignore_eos = true, .prompt_logprobs = 2}, [&](event const& e) {
    tokens += e.what == event::kind::token;
    if (e.what != event::kind::started) return;
    ++started;
    REQUIRE(e.prompt.size() == prompt.size());
    for (std::size_t i = 1; i < prompt.size(); ++i) {
      CHECK(e.prompt[i].token.id == prompt[i]);
      CHECK(e.prompt[i].token.logprob == plain[i - 1]);
      REQUIRE(e.prompt[i].top.size() == 2);
      CHECK(e.prompt[i].top[0].value >= e.prompt[i].top[1].value);
      if (e.prompt[i].token.rank == 1) CHECK(e.prompt[i].top[0].id == prompt[i]);
    }
  });
  REQUIRE(drain(engine));
  CHECK(started == 2);
  CHECK(tokens == 6);
}

}  // namespace laws
