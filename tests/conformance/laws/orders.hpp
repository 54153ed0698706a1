// Orders to a running engine besides new weights: replay of given tokens, pauses, aborts, and what they do to one another.
#pragma once
#include <deque>

#include "subject.hpp"
#include "verbatim/weights/borrowed.hpp"

namespace laws {

/// Given tokens are reported as if they had been sampled, and flagged.
template <class P> void given_tokens_are_replayed(subject const& s) {
  verbatim::engine<P> engine(s.config(2));
  request r;
  r.prompt = {10, 20, 30};
  r.max_tokens = s.of(30, 8);
  r.ignore_eos = false;
  r.sampling = {.temperature = 0.8f, .top_p = 0.9f, .presence_penalty = 0.5f, .seed = 4};
  r.top_logprobs = 3;
  r.stop_token_ids = {7};
  auto const sampled = verbatim::generate(engine, r).front();
  request again = r;
  again.sampling.seed = 5;
  again.forced.assign(sampled.ids.begin(), sampled.ids.begin() + std::ptrdiff_t(sampled.ids.size() / 2));
  std::vector<bool> flags;
  heard h;
  std::vector<float> raw;
  again.logprobs = verbatim::logprobs_mode::both;
  engine.submit(again, [&, sink = into(h)](event const& e) {
    sink(e);
    if (e.what == event::kind::token) flags.push_back(e.forced), raw.push_back(e.raw_logprob);
  });
  REQUIRE(drain(engine));
  std::size_t const given = again.forced.size();
  REQUIRE(h.ids.size() >= given);
  for (std::size_t i = 0; i < given; ++i) CHECK((h.ids[i] == sampled.ids[i] && h.logprobs[i] == sampled.logprobs[i] && flags[i]));
  for (std::size_t i = given; i < flags.size(); ++i) CHECK(!flags[i]);
  auto all = r.prompt;   // raw: the model's own distribution, whatever was sampled from
  all.insert(all.end(), h.ids.begin(), h.ids.end());
  auto const scored = engine.score(all);
  CHECK(std::vector<float>(scored.begin() + 2, scored.end()) == raw);
  // A stop token that is given ends nothing before the last one; the last one does.
  request stops = r;
  stops.forced = {7, 8, 7};
  stops.logprobs = verbatim::logprobs_mode::raw;
  auto const done = verbatim::generate(engine, stops).front();
  CHECK(done.ids == std::vector<token>{7, 8, 7});
  CHECK(done.finish == verbatim::finish_reason::stop);
  CHECK(done.stop_token == 7);
  auto const whole = engine.score(std::vector<token>{10, 20, 30, 7, 8, 7});
  CHECK(done.logprobs == std::vector<float>(whole.begin() + 2, whole.end()));
  // Refused: ids that are none, and more than max_tokens.
  request bad = r;
  bad.forced = {100000};
  CHECK(verbatim::generate(engine, bad).front().error.find("[verbatim.engine.3]") == 0);
  bad.forced.assign(std::size_t(r.max_tokens) + 1, 5);
  CHECK(verbatim::generate(engine, bad).front().error.find("[verbatim.engine.3]") == 0);
}

/// Keep, wait, retract and abort; what comes meanwhile waits.
template <class P> void pauses_hold(subject const& s) {
  auto config = s.config();
  config.max_batch = 4;
  verbatim::engine<P> engine(config);
  int const half = s.of(10, 4);
  request r;
  r.prompt = {1, 2, 3, 4};
  r.max_tokens = 3 * half;
  r.ignore_eos = true;
  r.sampling.seed = 8;
  auto const expected = verbatim::generate(engine, r).front();
  auto const start = [&](heard& h) {
    engine.submit(r, into(h));
    while (int(h.ids.size()) < half) engine.poll();
  };
  using verbatim::pause_mode;
  for (pause_mode mode : {pause_mode::keep, pause_mode::retract}) {
    heard running, late;
    start(running);
    CHECK(engine.carry_out(verbatim::orders::pause{.mode = mode, .flush = true}).error.empty());
    CHECK(engine.stats().paused);
    int const told = int(running.ids.size());   // a step that was in flight ends before the pause begins
    CHECK((told == half || (runs_ahead<P> && told == half + 1)));
    engine.submit(r, into(late));
    for (int i = 0; i < 20; ++i) CHECK(!engine.poll());
    CHECK(int(running.ids.size()) == told);
    CHECK(late.ids.empty());
    CHECK(engine.stats().running == (mode == pause_mode::keep ? 1 : 0));
    CHECK_THROWS_AS(engine.score(r.prompt), verbatim::error);   // nothing runs, and nothing hangs
    CHECK(engine.jobs().unfinished() == 2);
    engine.carry_out(verbatim::orders::resume{});
    REQUIRE(drain(engine));
    CHECK((running.ids == expected.ids && running.logprobs == expected.logprobs));
    CHECK((late.ids == expected.ids && late.logprobs == expected.logprobs));
    CHECK(!engine.stats().paused);
  }
  {
    heard running, late;
    start(running);
    bool drained = false;
    engine.jobs().command_engine(verbatim::orders::pause{.mode = pause_mode::wait}, [&](verbatim::outcome const& o) { drained = o.error.empty(); });
    engine.poll();
    CHECK(!drained);
    engine.submit(r, into(late));
    REQUIRE(drain(engine));
    CHECK(drained);
    CHECK(running.ids == expected.ids);
    CHECK(late.ids.empty());
    engine.carry_out(verbatim::orders::resume{});
    REQUIRE(drain(engine));
    CHECK(late.ids == expected.ids);
  }
  {
    heard running, overtaken;
    start(running);
    std::string why;
    engine.jobs().command_engine(verbatim::orders::pause{.mode = pause_mode::wait}, [&](verbatim::outcome const& o) { why = o.error; });
    engine.poll();
    CHECK(engine.carry_out(verbatim::orders::pause{.mode = pause_mode::abort}).affected == 1);
    CHECK(why.find("[verbatim.engine.31]") == 0);
    CHECK(running.finish == verbatim::finish_reason::cancelled);
    CHECK(int(running.ids.size()) >= half);
    CHECK(std::equal(running.ids.begin(), running.ids.end(), expected.ids.begin()));
    engine.poll();
    CHECK(engine.stats().pages_used == 0);
  }
  engine.carry_out(verbatim::orders::resume{});
  CHECK(verbatim::generate(engine, r).front().ids == expected.ids);
}

/// Requests that orders end are over, once, and others come after them.
template <class P> void orders_end_requests_once(subject const& s) {
  sets<P> const two(s.model, 2);
  auto config = s.config();
  config.max_batch = 4, config.queue = 8;
  verbatim::engine<P> engine(config);
  int const most = s.of(50, 7);
  for (int round = 0; round < 5; ++round) {
    std::deque<int> finished(6), tokens(6);
    for (std::size_t i = 0; i < 6; ++i) {
      request r;
      r.prompt = {1, 2, token(3 + i)};
      r.max_tokens = most;
      r.count = 1 + int(i % 3);
      r.ignore_eos = true;
      engine.submit(r, [&, i](event const& e) {
        finished[i] += e.what == event::kind::finished;
        tokens[i] += e.what == event::kind::token;
      });
    }
    for (int i = 0; i < 5; ++i) engine.poll();
    if (round == 0) engine.refit(weights::borrowed(two.of[1].tensors()), {.abort_running = true});
    if (round == 1) {   // in one poll
      engine.jobs().command_engine(verbatim::orders::abort{}, nullptr);
      engine.jobs().command_engine(verbatim::orders::flush{.running = true}, nullptr);
    }
    if (round == 2) {
      engine.jobs().command_engine(verbatim::orders::pause{.mode = verbatim::pause_mode::abort}, nullptr);
      engine.jobs().command_engine(verbatim::orders::pause{.mode = verbatim::pause_mode::retract}, nullptr);
      engine.jobs().command_engine(verbatim::orders::resume{}, nullptr);
    }
    if (round == 3) engine.carry_out(verbatim::orders::flush{.running = true});   // ends nothing
    auto const before = tokens;
    REQUIRE(drain(engine));
    for (std::size_t i = 0; i < 6; ++i) {
      CHECK(finished[i] == 1 + int(i % 3));
      if (round < 1) CHECK(tokens[i] == before[i]);
      if (round >= 3) CHECK(tokens[i] == most * (1 + int(i % 3)));
    }
    CHECK(engine.jobs().unfinished() == 0);
    CHECK(engine.stats().pages_used == 0);
    CHECK(engine.stats().running + engine.stats().waiting == 0);
  }
}

}  // namespace laws
