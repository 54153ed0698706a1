// The optimised backend against what transformers computes: f32 logits at every position, bf16 log-probabilities.
#include <cmath>
#include <cstdio>

#include "../model_runner.hpp"
#include "verbatim/text/json.hpp"

using namespace model_test;

namespace {

sequences ids_in(json const& list) {
  sequences out;
  for (auto const& one : list) out.push_back(one.get<std::vector<token>>());
  return out;
}

template <class Device> double difference(std::filesystem::path const& path) {
  auto const config = read_config(path).config;
  auto const ids = json::parse(read_bytes(path / "reference.json")).at("ids").get<std::vector<token>>();
  weights::mapped_file const file(path / "reference.safetensors");
  weights::safetensors const reference(file.bytes(), "reference.safetensors");
  tensor const expected = reference.access("logits");
  REQUIRE(expected.shape.size[0] == std::int64_t(ids.size()));
  weights::checkpoint source(path);
  auto const got = with_model(config, [&]<class Model>() { return run_model<Model, Device, float>(config, source, {ids}); });
  REQUIRE(std::int64_t(got.of[0].size()) == expected.shape.elements());
  double worst = 0;
  for (std::size_t i = 0; i < got.of[0].size(); ++i)
    worst = std::max(worst, std::fabs(double(got.of[0][i]) - double(static_cast<float const*>(expected.data)[i])));
  return worst;
}

}  // namespace

TEST_CASE("model: f32 logits agree with transformers at every position") {
  for (auto const& path : fixtures()) {
    double const worst = difference<cpu::native>(path);
    std::printf("  %-18s max |logit difference| %.2e\n", path.filename().c_str(), worst);
    CAPTURE(path.filename().string());
    CHECK(worst <= 1e-4);
  }
}

TEST_CASE("model: bf16 log-probabilities agree with transformers in bf16") {
  int checked = 0;
  for (auto const& path : fixtures()) {
    auto const reference = json::parse(read_bytes(path / "reference.json"));
    if (!reference.contains("sampled_ids")) continue;
    auto const config = read_config(path).config;
    auto const all = ids_in(reference.at("sampled_ids"));
    weights::mapped_file const file(path / "reference.safetensors");
    weights::safetensors const stored(file.bytes(), "reference.safetensors");
    auto const* const expected = static_cast<float const*>(stored.access("logprobs").data);
    auto const* const in_f32 = static_cast<float const*>(stored.access("logprobs_f32").data);
    weights::checkpoint source(path);
    auto const got = with_model(config, [&]<class Model>() { return run_model<Model, cpu::native, bf16>(config, source, all); });
    double sum = 0, sum_f32 = 0, theirs = 0;
    std::size_t n = 0;
    for (std::size_t s = 0; s < all.size(); ++s)
      for (double p : logprobs(got, s, all[s])) {
        sum += std::exp(std::fabs(p - double(expected[n])));
        sum_f32 += std::exp(std::fabs(p - double(in_f32[n])));
        theirs += std::exp(std::fabs(double(in_f32[n]) - double(expected[n])));
        ++n;
      }
    std::printf("  %-18s %zu tokens, mean exp |logprob difference| %.5f to bf16, %.5f to f32 (bf16 to f32 there: %.5f)\n",
                path.filename().c_str(), n, sum / double(n), sum_f32 / double(n), theirs / double(n));
    CAPTURE(path.filename().string());
    CHECK(n >= 2000);
    CHECK(sum / double(n) <= 1.01);
    ++checked;
  }
  CHECK(checked >= 4);
}

TEST_CASE("model: stories260K gives the recorded logits and greedy text") {
  auto const path = testdata() / "models/stories260K";
  if (!std::filesystem::exists(path / "config.json")) return skip("no stories260K in the test data");
  auto const config = read_config(path).config;
  weights::mapped_file const file(path / "reference_logits.safetensors");
  weights::safetensors const stored(file.bytes(), "reference_logits.safetensors");
  auto const cases = json::parse(read_bytes(path / "expected.json")).at("cases");
  weights::checkpoint source(path);

  // Logits at every position of the first greedy ids.
  auto ids = cases.at(0).at("ids").get<std::vector<token>>();   // the prompt's ids included
  tensor const expected = stored.access("logits");
  ids.resize(std::size_t(expected.shape.size[0]));
  auto const got = run_model<llama, cpu::native, float>(config, source, {ids});
  double worst = 0;
  for (std::size_t i = 0; i < got.of[0].size(); ++i)
    worst = std::max(worst, std::fabs(double(got.of[0][i]) - double(static_cast<float const*>(expected.data)[i])));
  std::printf("  stories260K: max |logit difference| %.2e over %zu positions\n", worst, ids.size());
  CHECK(worst <= 1e-4);

  // Greedy continuations: with the recorded ids as input, every recorded id is the largest logit of the row before it.
  sequences all;
  for (auto const& one : cases) all.push_back(one.at("ids").get<std::vector<token>>());
  auto const forced = run_model<llama, cpu::native, float>(config, source, all);
  std::size_t checked = 0;
  for (std::size_t s = 0; s < all.size(); ++s)
    for (std::size_t i = cases.at(s).at("prompt_ids").size(); i < all[s].size(); ++i, ++checked) {
      float const* const row = forced.of[s].data() + (i - 1) * std::size_t(config.vocabulary);
      REQUIRE(token(std::max_element(row, row + config.vocabulary) - row) == all[s][i]);
    }
  CHECK(checked > 300);
}
