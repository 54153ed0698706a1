// Where new weights may come from, and what is refused of them: a refit that is refused changes no bit.
#pragma once
#include "subject.hpp"
#include "verbatim/core/sha256.hpp"
#include "verbatim/weights/borrowed.hpp"

namespace laws {

template <class P> std::vector<float> outputs(verbatim::engine<P>& engine, int seed) {
  request r;
  r.prompt = {3, 1, 4, 1, 5, 9, 2, 6};
  r.max_tokens = 6;
  r.sampling.seed = std::uint64_t(seed);
  return verbatim::generate(engine, r).front().logprobs;
}

/// From borrowed memory, a folder, bytes and any source, the weights are the same.
template <class P> void every_source_gives_the_same_weights(subject const& s) {
  folder const other(read_bytes(s.model / "config.json"));
  sets<P> const two(s.model, 2);
  std::vector<tensor> const tensors(two.of[1].tensors().begin(), two.of[1].tensors().end());
  verbatim::engine<P> a(s.config(1));
  auto const before = outputs(a, 1);
  a.refit(weights::borrowed(tensors, 17));
  CHECK(a.weight_version() == "17");
  auto const expected = outputs(a, 1);
  CHECK(expected != before);

  weights::write_safetensors(other.path() / "model.safetensors", tensors);
  verbatim::engine<P> b(s.config(2));
  b.refit(weights::staged(other.path()));
  CHECK(outputs(b, 1) == expected);
  verbatim::engine<P> c(s.config(2));
  c.refit(weights::staged(read_bytes(other.path() / "model.safetensors"), "bytes"));
  CHECK(outputs(c, 1) == expected);
  weights::random_weights source(verbatim::read_config(s.model).config, 2);   // set 1: a source that reuses its memory
  c.refit(weights::random_weights(verbatim::read_config(s.model).config, 5));
  CHECK(outputs(c, 1) != expected);
  c.refit(source);
  CHECK(outputs(c, 1) == expected);
  auto from_folder = s.config();
  from_folder.checkpoint = other.path(), from_folder.random_weights = false;
  verbatim::engine<P> d(from_folder);   // as a checkpoint
  CHECK(outputs(d, 1) == expected);

  auto const sums = d.carry_out(verbatim::orders::checksum{}).checksums;
  CHECK(sums == c.carry_out(verbatim::orders::checksum{}).checksums);
  CHECK(sums.size() == tensors.size());
  for (auto const& [name, hex] : sums)
    for (tensor const& t : tensors)
      if (t.name == name) CHECK(hex == verbatim::to_hex(verbatim::sha256({static_cast<char const*>(t.data), t.bytes()})));
  auto const one = d.carry_out(verbatim::orders::values{.name = std::string(tensors[0].name), .count = 5}).values;
  REQUIRE(one.size() == 5);
  for (std::size_t i = 0; i < 5; ++i) CHECK(one[i] == verbatim::to_float(static_cast<typename P::dtype const*>(tensors[0].data)[i]));
  CHECK(d.carry_out(verbatim::orders::values{.name = "no.such.weight", .count = 5}).error.find("[verbatim.engine.32]") == 0);
}

/// What is refused changes nothing. The model ties its head, and P computes in bf16.
template <class P> void refused_weights_change_nothing(subject const& s) {
  static_assert(sizeof(typename P::dtype) == 2);
  sets<P> const two(s.model, 2);
  verbatim::engine<P> engine(s.config(2));
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

}  // namespace laws
