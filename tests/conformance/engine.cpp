// The engine against itself: what a request gets must not depend on its company, on memory pressure, on how it was
// chunked, forked, preempted or cached. Compared as bits.
#include <bit>
#include <map>
#include <random>

#include "catch.hpp"
#include "../engines.hpp"
#include "verbatim/front/generate.hpp"

namespace {

using test_engines::small_llama;
using test_engines::small_qwen3;

std::filesystem::path fixture(char const* name) { return source_dir() / "tests/fixtures/models" / name; }

template <class P> constexpr char const* model_name = nullptr;
template <> constexpr char const* model_name<small_llama> = "llama3-gqa";
template <> constexpr char const* model_name<small_qwen3> = "qwen3-bf16";

template <class P> verbatim::engine_config config_of() { return {.checkpoint = fixture(model_name<P>), .threads = 1}; }

verbatim::request random_request(std::mt19937& random, int vocabulary) {
  auto const below = [&](int n) { return int(random() % unsigned(n)); };
  verbatim::request r;
  for (int n = 1 + below(60); n > 0; --n) r.prompt.push_back(below(vocabulary));
  r.max_tokens = 1 + below(30);
  r.ignore_eos = below(2);
  r.sampling.temperature = below(3) ? 0.5f + 0.1f * float(below(10)) : 0.0f;
  r.sampling.seed = random();
  if (below(3) == 0) r.sampling.top_p = 0.8f;
  if (below(4) == 0) r.sampling.top_k = 20;
  if (below(4) == 0) r.sampling.presence_penalty = 0.5f;
  r.top_logprobs = below(3) - 1;
  return r;
}

using answer = std::pair<std::vector<verbatim::token>, std::vector<std::uint32_t>>;
answer bits(verbatim::completion const& c) {
  answer out{c.ids, {}};
  for (float x : c.logprobs) out.second.push_back(std::bit_cast<std::uint32_t>(x));
  return out;
}

template <class P> void same_in_company() {
  std::mt19937 random(11);
  verbatim::engine<P> alone(config_of<P>());
  std::vector<verbatim::request> requests;
  for (int i = 0; i < 40; ++i) requests.push_back(random_request(random, alone.config().vocabulary));
  std::vector<answer> expected;
  for (auto const& r : requests) expected.push_back(bits(verbatim::generate(alone, r).front()));

  auto config = config_of<P>();
  config.max_batch = 24;
  config.step_tokens = 29;                                 // odd chunks
  config.threads = 2;
  config.kv_bytes = alone.resources().kv_bytes / std::size_t(alone.resources().kv_pages) * 24;   // a fraction of what they need
  verbatim::engine<P> busy(config);
  REQUIRE(busy.resources().kv_pages <= 24);
  for (int round = 0; round < 2; ++round) {                // the second round meets a warm prefix index
    auto const done = verbatim::generate(busy, requests);
    for (std::size_t i = 0; i < done.size(); ++i) {
      CAPTURE(round, i, done[i].error);
      REQUIRE(bits(done[i]) == expected[i]);
    }
  }
  while (busy.poll()) {}
  auto const stats = busy.stats();
  CHECK(stats.preemptions > 0);
  CHECK(stats.prefix_hits > 0);
  CHECK(stats.pages_used == 0);
  CHECK(stats.running + stats.waiting == 0);
}

}  // namespace

TEST_CASE("engine: a request gets the same bits alone and in company, chunked, preempted and from the cache") {
  same_in_company<small_llama>();
  same_in_company<small_qwen3>();
}

TEST_CASE("engine: sampled log-probabilities equal scored ones as bits") {
  verbatim::engine<small_qwen3> engine(config_of<small_qwen3>());
  std::mt19937 random(3);
  for (int i = 0; i < 20; ++i) {
    verbatim::request r = random_request(random, engine.config().vocabulary);
    r.sampling = {.temperature = 1, .seed = r.sampling.seed};
    auto const done = verbatim::generate(engine, r).front();
    auto all = r.prompt;
    all.insert(all.end(), done.ids.begin(), done.ids.end());
    auto const scored = engine.score(all);
    REQUIRE(scored.size() == all.size() - 1);
    for (std::size_t k = 0; k < done.ids.size(); ++k)
      REQUIRE(std::bit_cast<std::uint32_t>(scored[r.prompt.size() - 1 + k]) == std::bit_cast<std::uint32_t>(done.logprobs[k]));
  }
}

TEST_CASE("engine: n continuations share their prompt and equal n requests with the derived seeds") {
  verbatim::engine<small_llama> engine(config_of<small_llama>());
  std::mt19937 random(5);
  for (int i = 0; i < 10; ++i) {
    verbatim::request r = random_request(random, engine.config().vocabulary);
    r.count = 1 + i % 5;
    r.sampling.temperature = 1;
    auto const group = verbatim::generate(engine, r);
    REQUIRE(int(group.size()) == r.count);
    for (int k = 0; k < r.count; ++k) {
      verbatim::request one = r;
      one.count = 1;
      one.sampling.seed = verbatim::choice_seed(r.sampling.seed, k);
      REQUIRE(bits(verbatim::generate(engine, one).front()) == bits(group[std::size_t(k)]));
    }
  }
  while (engine.poll()) {}
  CHECK(engine.stats().pages_used == 0);
}

TEST_CASE("engine: cancelled requests, queued ones included, end at the next step and give their pages back") {
  auto config = config_of<small_llama>();
  config.max_batch = 4;
  verbatim::engine<small_llama> engine(config);
  std::mt19937 random(9);
  std::vector<verbatim::ticket> tickets;
  std::map<int, verbatim::finish_reason> ended;
  for (int i = 0; i < 12; ++i) {
    verbatim::request r = random_request(random, engine.config().vocabulary);
    r.max_tokens = 500, r.ignore_eos = true, r.count = 1 + i % 2;
    tickets.push_back(engine.submit(r, [&ended, i](verbatim::event const& e) {
      if (e.what == verbatim::event::kind::finished) ended[i] = e.finish;
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

TEST_CASE("engine: a request that cannot be carried out ends with an error of its own") {
  verbatim::engine<small_llama> engine(config_of<small_llama>());
  auto const why = [&](verbatim::request r) {
    auto const done = verbatim::generate(engine, r).front();
    CHECK(done.finish == verbatim::finish_reason::error);
    return done.error;
  };
  CHECK(why({.prompt = {}}).find("[verbatim.engine.3]") == 0);
  CHECK(why({.prompt = {1, 99999}}).find("vocabulary") != std::string::npos);
  CHECK(why({.prompt = {1, -1}}).find("vocabulary") != std::string::npos);
  CHECK(why({.prompt = {1}, .max_tokens = -1}).find("max_tokens") != std::string::npos);
  CHECK(why({.prompt = {1}, .count = 100000}).find("count") != std::string::npos);
  CHECK(why({.prompt = std::vector<verbatim::token>(100000, 1)}).find("may have") != std::string::npos);
  CHECK(why({.prompt = {1}, .sampling = {.temperature = -1}}).find("temperature") != std::string::npos);
  CHECK(why({.prompt = {1}, .stop = {""}}).find("stop") != std::string::npos);
  CHECK(verbatim::generate(engine, {.prompt = {1}, .max_tokens = 2, .ignore_eos = true}).front().ids.size() == 2);
}

TEST_CASE("engine: prompt log-probabilities come once, complete, with their alternatives") {
  verbatim::engine<small_llama> engine(config_of<small_llama>());
  std::vector<verbatim::token> const prompt{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21};
  auto const plain = engine.score(prompt);
  REQUIRE(plain.size() == prompt.size() - 1);
  int started = 0, tokens = 0;
  engine.submit({.prompt = prompt, .max_tokens = 3, .count = 2, .ignore_eos = true, .prompt_logprobs = 2}, [&](verbatim::event const& e) {
    tokens += e.what == verbatim::event::kind::token;
    if (e.what != verbatim::event::kind::started) return;
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
  while (engine.poll()) {}
  CHECK(started == 2);
  CHECK(tokens == 6);
}
