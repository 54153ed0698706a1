// A trained model end to end: text in, greedy text out, against an independent float64 implementation's output.
#include "../engines.hpp"
#include "catch.hpp"
#include "verbatim/front/generate.hpp"
#include "verbatim/text/json.hpp"

TEST_CASE("stories260K: greedy text equals its reference") {
  auto const directory = testdata() / "models/stories260K";
  if (!std::filesystem::exists(directory)) return skip("no stories260K in the test data");
  auto const expected = verbatim::parse_json(read_bytes(directory / "expected.json"));
  verbatim::engine<test_engines::small_llama> engine({.checkpoint = directory, .threads = 2});
  int tokens = 0;
  for (auto const& one : expected["cases"]) {
    auto const prompt = one["prompt_ids"].get<std::vector<verbatim::token>>();
    auto const ids = one["ids"].get<std::vector<verbatim::token>>();
    std::vector<verbatim::token> encoded;
    engine.text().encode_with_special(one["prompt"].get<std::string>(), encoded);
    CHECK(encoded == prompt);

    verbatim::request r;
    r.prompt = prompt;
    r.max_tokens = int(ids.size() - prompt.size());
    r.ignore_eos = true;
    r.sampling.temperature = 0;
    auto const done = verbatim::generate(engine, r).front();
    auto all = prompt;
    all.insert(all.end(), done.ids.begin(), done.ids.end());
    CHECK(all == ids);
    CHECK(engine.text().decode(all, true) == one["text"].get<std::string>());
    tokens += int(done.ids.size());
  }
  CHECK(tokens >= 500);
}
