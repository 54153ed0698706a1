// New weights for a running engine: every token is what the weights that it is tagged with give, nothing is lost, nothing
// stale is matched, and a refit that is refused changes no bit.
#include <bit>
#include <cstring>
#include <deque>
#include <memory>

#include "catch.hpp"
#include "heard.hpp"
#include "random_models.hpp"
#include "verbatim/core/sha256.hpp"
#include "verbatim/front/generate.hpp"
#include "verbatim/weights/borrowed.hpp"
#include "verbatim/weights/random_weights.hpp"
#include "verbatim/weights/safetensors_write.hpp"

namespace {

using namespace random_models;
using verbatim::request;
using verbatim::tensor;

template <class P> std::vector<float> outputs(verbatim::engine<P>& engine, int seed) {
  request r;
  r.prompt = {3, 1, 4, 1, 5, 9, 2, 6};
  r.max_tokens = 12;
  r.sampling.seed = std::uint64_t(seed);
  return verbatim::generate(engine, r).front().logprobs;
}

/// The number of the error that f throws, as area.number.
template <class F> std::string thrown(F&& f) {
  try {
    f();
  } catch (verbatim::error const& e) {
    return std::string(e.area()) + "." + std::to_string(e.number());
  }
  return "nothing";
}

template <class P> void hundred_refits(char const* architecture, char const* type) {
  folder const model(config_of(architecture, type));
  sets<P> const weight_sets(model.path(), 4);
  std::deque<verbatim::engine<P>> passes;   // one engine for each set, to score with
  for (auto const& set : weight_sets.of) {
    passes.emplace_back(verbatim::engine_config{.checkpoint = model.path(), .random_weights = true, .threads = 2});
    passes.back().refit(weights::borrowed(set.tensors()));
  }
  verbatim::engine<P> engine({.checkpoint = model.path(), .random_weights = true, .threads = 2, .max_batch = 40, .step_tokens = 200, .chunk_tokens = 200});
  engine.refit(weights::borrowed(weight_sets.of[0].tensors()));
  std::vector<std::size_t> set_of{0, 0};   // by the number of the weights; 0 is what the engine was made with

  std::mt19937 random(17);
  auto const stem = random_ids(random, 150, engine.config().vocabulary);
  std::deque<heard> answers;
  std::deque<request> asked;
  auto const submit = [&] {
    request r;
    r.prompt.assign(stem.begin(), stem.begin() + 64 + below(random, 80));   // shared beginnings: what is cached must be fresh
    r.prompt.push_back(token(answers.size() % 300));
    r.max_tokens = 150 + below(random, 100);
    r.ignore_eos = true;
    r.sampling.seed = random();
    asked.push_back(r);
    engine.submit(r, into(answers.emplace_back()));
  };
  for (int i = 0; i < 32; ++i) submit();
  for (int refit = 0; refit < 100; ++refit) {
    for (int steps = 1 + below(random, 4); steps > 0; --steps) engine.poll();
    while (engine.jobs().unfinished() < 32) submit();
    std::size_t const set = (set_of.back() + 1 + std::size_t(below(random, 3))) % 4;
    engine.refit(weights::borrowed(weight_sets.of[set].tensors()), {.version = "step " + std::to_string(refit)});
    set_of.push_back(set);
    REQUIRE(engine.weight_version() == "step " + std::to_string(refit));
  }
  while (engine.poll()) {}
  CHECK(engine.stats().refits == 101);
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
  std::printf("%-8s %-8s 100 refits: %ld tokens of %zu sequences in %ld spans, %ld different bits\n", architecture, type, tokens, asked.size(), spans, different);
  CHECK(different == 0);
  CHECK(spans > long(asked.size()));
}

}  // namespace

TEST_CASE("refit: a hundred under 32 running requests; each span is scored the same by the weights that it names") {
  hundred_refits<examples::qwen3_bf16>("qwen3", "bfloat16");
  hundred_refits<examples::llama_f32>("llama", "float32");
}

TEST_CASE("refit: from borrowed memory, a folder, bytes and any source, the weights are the same") {
  using P = examples::qwen2_bf16;
  folder const model(config_of("qwen2", "bfloat16")), other(config_of("qwen2", "bfloat16"));
  sets<P> const two(model.path(), 2);
  std::vector<tensor> const tensors(two.of[1].tensors().begin(), two.of[1].tensors().end());
  verbatim::engine<P> a({.checkpoint = model.path(), .random_weights = true, .threads = 1});
  auto const before = outputs(a, 1);
  a.refit(weights::borrowed(tensors, 17));
  CHECK(a.weight_version() == "17");
  auto const expected = outputs(a, 1);
  CHECK(expected != before);

  weights::write_safetensors(other.path() / "model.safetensors", tensors);
  verbatim::engine<P> b({.checkpoint = model.path(), .random_weights = true, .threads = 2});
  b.refit(weights::staged(other.path()));
  CHECK(outputs(b, 1) == expected);
  verbatim::engine<P> c({.checkpoint = model.path(), .random_weights = true, .threads = 2});
  c.refit(weights::staged(read_bytes(other.path() / "model.safetensors"), "bytes"));
  CHECK(outputs(c, 1) == expected);
  weights::random_weights source(verbatim::read_config(model.path()).config, 2);   // set 1: a source that reuses its memory
  c.refit(weights::random_weights(verbatim::read_config(model.path()).config, 5));
  CHECK(outputs(c, 1) != expected);
  c.refit(source);
  CHECK(outputs(c, 1) == expected);
  verbatim::engine<P> d({.checkpoint = other.path(), .threads = 1});   // as a checkpoint
  CHECK(outputs(d, 1) == expected);

  auto const sums = d.carry_out(verbatim::orders::checksum{}).checksums;
  CHECK(sums == c.carry_out(verbatim::orders::checksum{}).checksums);
  CHECK(sums.size() == tensors.size());
  for (auto const& [name, hex] : sums)
    for (tensor const& t : tensors)
      if (t.name == name) CHECK(hex == verbatim::to_hex(verbatim::sha256({static_cast<char const*>(t.data), t.bytes()})));
  auto const one = d.carry_out(verbatim::orders::values{.name = std::string(tensors[0].name), .count = 5}).values;
  REQUIRE(one.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) CHECK(one[i] == verbatim::to_float(static_cast<verbatim::bf16 const*>(tensors[0].data)[i]));
  CHECK(d.carry_out(verbatim::orders::values{.name = "no.such.weight", .count = 5}).error.find("[verbatim.engine.32]") == 0);
}

TEST_CASE("refit: what is refused changes nothing") {
  using P = examples::qwen3_bf16;
  folder const model(config_of("qwen3", "bfloat16"));
  sets<P> const two(model.path(), 2);
  verbatim::engine<P> engine({.checkpoint = model.path(), .random_weights = true, .threads = 2});
  engine.refit(weights::borrowed(two.of[0].tensors()));
  auto const expected = outputs(engine, 3);
  auto const version = engine.weight_version();
  std::vector<tensor> const good(two.of[1].tensors().begin(), two.of[1].tensors().end());
  auto const attempt = [&](auto&& change) {
    auto bad = good;
    change(bad);
    auto const why = thrown([&] { engine.refit(weights::borrowed(bad)); });
    CHECK(engine.weight_version() == version);
    CHECK(outputs(engine, 3) == expected);
    return why;
  };
  CHECK(attempt([](auto& t) { t.pop_back(); }) == "checkpoint.51");
  CHECK(attempt([](auto& t) { t.clear(); }) == "checkpoint.51");
  CHECK(attempt([](auto& t) { t[3].shape.size[0] += 1; }) == "checkpoint.52");
  CHECK(attempt([](auto& t) { t[2].type = verbatim::dtype::f16; }) == "checkpoint.53");
  CHECK(attempt([](auto& t) { t[1].name = "model.layers.0.mlp.unknown_proj.weight"; }) == "checkpoint.50");
  CHECK(attempt([](auto& t) { t.push_back(t[4]); }) == "checkpoint.54");
  auto const table = std::find_if(good.begin(), good.end(), [](tensor const& t) { return t.name == "model.embed_tokens.weight"; });
  auto const head = [&](void const* data, int rows) {   // as a state dictionary of a tied model has it
    tensor t = *table;
    t.name = "lm_head.weight", t.data = data, t.shape.size[0] = rows;
    return t;
  };
  int const words = int(table->shape.size[0]);
  std::vector<std::uint16_t> copy(std::size_t(table->shape.elements()));
  std::memcpy(copy.data(), table->data, table->bytes());
  CHECK(attempt([&](auto& t) { t.push_back(head(table->data, 3)); }) == "checkpoint.52");
  copy[7] ^= 1;
  CHECK(attempt([&](auto& t) { t.push_back(head(copy.data(), words)); }) == "checkpoint.58");
  CHECK(attempt([&](auto& t) { t.push_back(head(table->data, words)), t.push_back(head(copy.data(), words)); }) == "checkpoint.58");
  copy[7] ^= 1;
  std::vector<float> wide(copy.size());
  for (std::size_t i = 0; i < copy.size(); ++i) wide[i] = verbatim::to_float(std::bit_cast<verbatim::bf16>(copy[i]));
  auto in_f32 = head(wide.data(), words);
  in_f32.type = verbatim::dtype::f32;
  wide[5] += 1;
  CHECK(attempt([&](auto& t) { t.push_back(in_f32); }) == "checkpoint.58");
  wide[5] -= 1;
  CHECK(engine.carry_out(verbatim::orders::refit{}).error.find("[verbatim.engine.30]") == 0);
  CHECK(engine.stats().refits == 1);
  auto whole = good;
  whole.push_back(head(copy.data(), words));
  whole.push_back(in_f32);
  engine.refit(weights::borrowed(whole));
  CHECK(outputs(engine, 3) != expected);
}

TEST_CASE("refit: what older weights computed is never matched, whatever the policy; kept sequences go on") {
  using P = examples::llama_bf16;
  folder const model(config_of("llama", "bfloat16"));
  sets<P> const two(model.path(), 2);
  for (auto kv : {verbatim::kv_policy::keep, verbatim::kv_policy::drop, verbatim::kv_policy::recompute}) {
    verbatim::engine<P> engine({.checkpoint = model.path(), .random_weights = true, .threads = 2});
    engine.refit(weights::borrowed(two.of[0].tensors()));
    std::mt19937 random(5);
    request r;
    r.prompt = random_ids(random, 300, 300);
    r.max_tokens = 40;
    r.ignore_eos = true;
    heard running;
    engine.submit(r, into(running));
    while (running.ids.size() < 20) engine.poll();
    engine.refit(weights::borrowed(two.of[1].tensors()), {.kv = kv});
    auto const hits = engine.stats().prefix_hits;
    auto const fresh = verbatim::generate(engine, r).front();   // the same prompt, whose pages the old weights have filled
    while (engine.poll()) {}
    CHECK(running.ids.size() == 40);
    CHECK(running.weights.front() == 1);
    CHECK(running.weights.back() == 2);
    auto all = r.prompt;
    all.insert(all.end(), fresh.ids.begin(), fresh.ids.end());
    auto const scored = engine.score(all);
    CHECK(std::vector<float>(scored.begin() + 299, scored.end()) == fresh.logprobs);
    if (kv == verbatim::kv_policy::keep) CHECK(engine.stats().prefix_hits == hits);
    if (kv == verbatim::kv_policy::recompute) {
      auto whole = r.prompt;
      whole.insert(whole.end(), running.ids.begin(), running.ids.end());
      auto const again = engine.score(whole);
      for (std::size_t k = 20; k < 40; ++k)
        if (running.weights[k] == 2) CHECK(again[299 + k] == running.logprobs[k]);
    }
  }
}

TEST_CASE("refit: between the chunks of a prompt that is scored or shared by a group, everything comes from the new weights") {
  using P = examples::llama_f32;
  folder const model(config_of("mistral", "float32"));
  sets<P> const two(model.path(), 2);
  verbatim::engine<P> engine({.checkpoint = model.path(), .random_weights = true, .threads = 2, .max_batch = 8, .step_tokens = 50});
  engine.refit(weights::borrowed(two.of[0].tensors()));
  std::mt19937 random(9);
  request scored;
  scored.prompt = random_ids(random, 400, 300);
  scored.max_tokens = 0;
  scored.prompt_logprobs = 0;
  request group;
  group.prompt = random_ids(random, 300, 300);
  group.max_tokens = 10;
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
  while (engine.poll()) {}
  REQUIRE(prompt.size() == 400);
  auto const expected = engine.score(scored.prompt);
  CHECK(std::vector<float>(prompt.begin() + 1, prompt.end()) == expected);
  for (heard const& h : four) {
    REQUIRE(h.ids.size() == 10);
    auto all = group.prompt;
    all.insert(all.end(), h.ids.begin(), h.ids.end());
    auto const again = engine.score(all);
    CHECK(std::vector<float>(again.begin() + 299, again.end()) == h.logprobs);
  }
}

TEST_CASE("refit: prompt log-probabilities come from one set of weights, wherever the refit finds the prompt") {
  using P = examples::qwen2_f32;
  folder const model(config_of("qwen2", "float32"));
  sets<P> const two(model.path(), 2);
  std::mt19937 random(2);
  using policy = verbatim::kv_policy;
  for (int prompt : {33, 64, 65, 129}) {   // also: the last token alone in a step, after all of its prompt is scored
    for (int which = 0; which < 18; ++which) {
      int const polls = 1 + which % 6;
      policy const kv = which < 6 ? policy::recompute : which < 12 ? policy::drop : policy::keep;
      verbatim::engine<P> engine({.checkpoint = model.path(), .random_weights = true, .threads = 1, .max_batch = 16, .step_tokens = 32});
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
      while (engine.poll()) {}
      REQUIRE(int(told.size()) == prompt);
      verbatim::engine<P> pass({.checkpoint = model.path(), .random_weights = true, .threads = 1});
      pass.refit(weights::borrowed(two.of[by - 1].tensors()));
      CAPTURE(prompt, polls, int(kv), by);
      CHECK(std::vector<float>(told.begin() + 1, told.end()) == pass.score(r.prompt));
    }
  }
}
