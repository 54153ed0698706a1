// Quantised weights are storage: an engine that quantises a checkpoint gives the bits of one whose checkpoint holds the values that
// the other has made of it, in every architecture and arithmetic. And a refit quantises as loading does.
#include <bit>
#include <cmath>
#include <cstring>
#include <deque>
#include <memory>

#include "catch.hpp"
#include "heard.hpp"
#include "random_models.hpp"
#include "verbatim/front/generate.hpp"
#include "verbatim/weights/borrowed.hpp"

namespace {

using namespace random_models;
using verbatim::weight_format;

/// The engine's weights as a checkpoint would hold them.
template <class P> weights::staged weights_of(verbatim::engine<P>& engine) {
  weights::staged out{std::span<verbatim::tensor const>()};
  auto const all = weights::all_of(*std::make_unique<weights::random_weights>(engine.config()));   // names and shapes
  for (verbatim::tensor t : all.tensors()) {
    auto const values = engine.carry_out(verbatim::orders::values{std::string(t.name), std::size_t(t.shape.elements())}).values;
    REQUIRE(std::int64_t(values.size()) == t.shape.elements());
    std::vector<verbatim::bf16> narrow;
    for (float x : values) narrow.push_back(verbatim::to_bf16(x));
    bool const is_narrow = t.type == verbatim::dtype::bf16;
    t.data = is_narrow ? static_cast<void const*>(narrow.data()) : values.data();
    if (!is_narrow) t.type = verbatim::dtype::f32;
    out.copy(t);
  }
  return out;
}

template <class P> std::vector<std::uint32_t> bits(verbatim::engine<P>& engine) {
  std::deque<heard> answers;
  std::mt19937 random(5);
  for (int i = 0; i < 20; ++i) {
    verbatim::request r;
    r.prompt = random_ids(random, 1 + below(random, 90), engine.config().vocabulary);
    r.max_tokens = 20;
    r.sampling.seed = random();
    engine.submit(r, into(answers.emplace_back()));
  }
  while (engine.poll()) {}
  std::vector<std::uint32_t> out;
  for (auto const& h : answers) {
    for (auto id : h.ids) out.push_back(std::uint32_t(id));
    for (float x : h.logprobs) out.push_back(std::bit_cast<std::uint32_t>(x));
  }
  return out;
}

}  // namespace

TEST_CASE("weight formats: a quantised engine gives the bits of its values in a plain one") {
  for_each([]<class P>(char const* architecture, char const* type) {
    folder const model(config_of(architecture, type));
    verbatim::engine_config config{.checkpoint = model.path(), .random_weights = true, .threads = 2, .max_batch = 16, .step_tokens = 70};
    verbatim::engine<P> plain(config);
    auto const unquantised = bits(plain);
    auto const original = weights_of(plain);
    std::size_t const size = plain.resources().weight_bytes;
    std::vector<std::uint64_t> digests{verbatim::engine<P>::contract()};
    for (auto format : {weight_format::int8, weight_format::int4}) {
      CAPTURE(architecture, type, verbatim::name_of(format));
      config.weights = format;
      verbatim::engine<P> small(config);
      CHECK(small.resources().formats.weights == format);
      CHECK(double(small.resources().weight_bytes) < double(size) * (format == weight_format::int8 ? 8.5 : 4.5) / (8 * sizeof(typename P::dtype)) * 1.3);
      auto const quantised = bits(small);
      CHECK(quantised != unquantised);
      auto const values = weights_of(small);
      plain.refit(weights::borrowed(values.tensors()));
      CHECK(bits(plain) == quantised);
      small.refit(weights::borrowed(values.tensors()));     // what is a code's value already stays
      if (format == weight_format::int8) CHECK(bits(small) == quantised);
      small.refit(weights::borrowed(original.tensors()));
      CHECK(bits(small) == quantised);
      plain.refit(weights::borrowed(original.tensors()));
      CHECK(bits(plain) == unquantised);
      digests.push_back(verbatim::engine<P>::contract({format}));
    }
    CHECK((digests[0] != digests[1] && digests[0] != digests[2] && digests[1] != digests[2]));
  });
}

TEST_CASE("weight formats: w4a8 has the weights of int4 and sums of its own, before a refit and after it") {
  for_each([]<class P>(char const* architecture, char const* type) {
    folder const model(config_of(architecture, type));
    CAPTURE(architecture, type);
    auto const make = [&](weight_format format) {
      return std::make_unique<verbatim::engine<P>>(verbatim::engine_config{.checkpoint = model.path(), .random_weights = true, .threads = 2, .max_batch = 16,
                                                                           .step_tokens = 70, .weights = format});
    };
    auto const four = make(weight_format::int4), integers = make(weight_format::w4a8);
    CHECK(four->resources().weight_bytes == integers->resources().weight_bytes);
    auto const kept = weights_of(*four), also = weights_of(*integers);
    for (std::size_t i = 0; i < kept.tensors().size(); ++i)
      CHECK(std::memcmp(kept.tensors()[i].data, also.tensors()[i].data, kept.tensors()[i].bytes()) == 0);
    auto const before = bits(*integers);
    CHECK(before != bits(*four));
    CHECK(before == bits(*make(weight_format::w4a8)));
    CHECK((verbatim::engine<P>::contract({weight_format::w4a8}) != verbatim::engine<P>::contract({weight_format::int4})));
    auto const original = weights_of(*make(weight_format::checkpoint));
    integers->refit(weights::borrowed(original.tensors()));
    CHECK(bits(*integers) == before);
  });
}
