// Parts with the same revision are exchangeable: an engine with another attention, other products and another cache gives the bits
// of the standard one, and has its digest. And what the sliding cache is for.
#include <bit>
#include <deque>

#include "../engines.hpp"
#include "catch.hpp"
#include "heard.hpp"
#include "random_models.hpp"

namespace {

using namespace random_models;

template <class P> std::vector<std::uint32_t> bits_of(verbatim::engine<P>& engine) {
  std::mt19937 random(3);
  std::deque<std::vector<heard>> answers;
  auto const stem = random_ids(random, 620, engine.config().vocabulary);
  for (int i = 0; i < 12; ++i) {
    verbatim::request r;
    r.prompt = stem;   // whole leaves in common
    r.prompt.resize(std::size_t(i % 3 == 2 ? 40 : 300 + 29 * i));
    r.prompt.push_back(i);
    r.count = 1 + i % 4;
    r.max_tokens = 25;
    r.sampling.seed = random();
    auto& out = answers.emplace_back(std::size_t(r.count));
    engine.submit(r, [&out](event const& e) { into(out[std::size_t(e.index)])(e); });
  }
  while (engine.poll()) {}
  std::vector<std::uint32_t> all;
  for (auto const& several : answers)
    for (heard const& h : several) {
      REQUIRE(h.ids.size() > 0);
      for (std::size_t i = 0; i < h.ids.size(); ++i) all.push_back(std::uint32_t(h.ids[i])), all.push_back(std::bit_cast<std::uint32_t>(h.logprobs[i]));
    }
  return all;
}

}  // namespace

TEST_CASE("policies: other attention, products and cache, the same bits and digest") {
  static_assert(verbatim::engine<test_engines::other_llama>::contract() == verbatim::engine<examples::llama_bf16>::contract());
  for (char const* architecture : {"llama", "mistral"}) {
    CAPTURE(architecture);
    folder const model(config_of(architecture, "bfloat16"));
    for (auto kv : {verbatim::kv_format::activations, verbatim::kv_format::int8}) {
      verbatim::engine_config const config{.checkpoint = model.path(), .random_weights = true, .threads = 2, .max_batch = 40, .step_tokens = 200, .kv = kv,
                                           .pin_threads = true};
      verbatim::engine<examples::llama_bf16> standard(config);
      verbatim::engine<test_engines::other_llama> other(config);
      auto const expected = bits_of(standard);
      CHECK(expected.size() > 1000);
      CHECK(bits_of(other) == expected);
      CHECK(standard.stats().prefix_hits > 0);
    }
  }
}

TEST_CASE("policies: the sliding cache holds a window, not a sequence") {
  folder const model(config_of("mistral", "bfloat16"));   // sees 100 positions
  verbatim::engine<test_engines::other_llama> engine({.checkpoint = model.path(), .random_weights = true, .threads = 1, .max_batch = 2});
  verbatim::request r;
  r.prompt = {1, 2, 3};
  r.max_tokens = 900;
  r.ignore_eos = true;
  heard h;
  engine.submit(r, into(h));
  std::size_t most = 0;
  while (engine.poll()) most = std::max(most, std::size_t(engine.stats().pages_used));
  CHECK(h.ids.size() == 900);
  CHECK(most <= 8);   // 100 positions touch eight pages of 16 at most
  CHECK(most >= 7);
}
