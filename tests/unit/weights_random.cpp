#include "verbatim/weights/random_weights.hpp"
#include "verbatim/weights/random_values.hpp"

#include <cmath>
#include <map>
#include <mutex>

#include "catch.hpp"
#include "verbatim/weights/bandwidth.hpp"
#include "verbatim/weights/checkpoint.hpp"
#include "verbatim/weights/config_json.hpp"
#include "verbatim/weights/floors.hpp"

using namespace verbatim;

namespace {

model_config qwen25_05b() {
  model_config c;
  c.arch = architecture::qwen2, c.layers = 24, c.hidden = 896, c.intermediate = 4864, c.vocabulary = 151936;
  c.heads = 14, c.kv_heads = 2, c.head_dim = 64, c.tied = true, c.attention_bias = true;
  return c;
}
model_config llama32_1b() {
  model_config c;
  c.layers = 16, c.hidden = 2048, c.intermediate = 8192, c.vocabulary = 128256;
  c.heads = 32, c.kv_heads = 8, c.head_dim = 64, c.tied = true;
  return c;
}

std::map<std::string, std::vector<float>> values_of(weights::random_weights const& source) {
  std::map<std::string, std::vector<float>> out;
  weights::for_each(source, [&](tensor const& t) {
    auto& v = out[std::string(t.name)];
    for (std::size_t i = 0; i < std::size_t(t.shape.elements()); ++i)
      v.push_back(t.type == dtype::f32 ? static_cast<float const*>(t.data)[i]
                  : t.type == dtype::bf16 ? to_float(static_cast<bf16 const*>(t.data)[i]) : to_float(static_cast<f16 const*>(t.data)[i]));
  });
  return out;
}

}  // namespace

TEST_CASE("floors: two known models") {
  auto const q = weights::floors_of(qwen25_05b()), l = weights::floors_of(llama32_1b());
  CHECK(q.parameters == 494032768);
  CHECK(l.parameters == 1235814400);
  CHECK(double(q.step_bytes) / 1e9 == Approx(0.988).margin(0.0005));
  CHECK(double(l.step_bytes) / 1e9 == Approx(2.472).margin(0.0005));
  CHECK(q.kv_bytes == 12 * 1024);
  CHECK(l.kv_bytes == 32 * 1024);
  CHECK(double(q.body) / 1e9 == Approx(0.358).margin(0.0005));
  CHECK(double(l.body) / 1e9 == Approx(0.973).margin(0.0005));
  CHECK(1 / q.step_seconds(1, 0, 38e9) == Approx(38.5).margin(0.05));
  CHECK(64 / q.step_seconds(64, 0, 38e9, 948e9) == Approx(960).margin(1));
  CHECK(948e9 / (q.prefill_flops(512) / 512) < 948e9 / (2.0 * double(q.body)));
}

TEST_CASE("floors: what the formats keep of a known model") {
  model_config const l = llama32_1b();
  std::int64_t const norms = 2048 * (2 * 16 + 1), all = 1235814400;
  CHECK(weights::kept_weight_bytes(l, weight_format::checkpoint, 2) == 2 * all);
  CHECK(weights::kept_weight_bytes(l, weight_format::checkpoint, 4) == 4 * all);
  CHECK(weights::kept_weight_bytes(l, weight_format::int8, 2) == (all - norms) * 17 / 16 + 2 * norms);
  CHECK(weights::kept_weight_bytes(l, weight_format::int4, 2) == (all - norms) * 9 / 16 + 2 * norms);
  CHECK(weights::kept_weight_bytes(l, weight_format::w4a8, 2) == weights::kept_weight_bytes(l, weight_format::int4, 2));
  CHECK(weights::kept_kv_bytes(l, kv_format::activations, 4) == 64 * 1024);
  CHECK(weights::kept_kv_bytes(l, kv_format::bf16, 4) == 32 * 1024);
  CHECK(weights::kept_kv_bytes(l, kv_format::int8, 2) == 16 * 1024 + 2 * 16 * 8 * 2);   // two scales a head
}

TEST_CASE("expected: the fixtures hold exactly the expected tensors") {
  int models = 0;
  for (auto const& entry : std::filesystem::directory_iterator(source_dir() / "tests/fixtures/models")) {
    INFO(entry.path().string());
    weights::checkpoint const c(entry.path());
    model_config const config = read_config(entry.path()).config;
    auto const expected = weights::expected_tensors(config);
    CHECK(expected.size() == c.size());
    for (auto const& t : expected) CHECK_NOTHROW(c.access(t.name, t.shape));
    CHECK(c.type() == config.type);
    ++models;
  }
  CHECK(models == 14);
}

TEST_CASE("random_weights: deterministic, named, scaled") {
  model_config c = read_config(source_dir() / "tests/fixtures/models/qwen2").config;
  auto const a = values_of(weights::random_weights(c, 1)), b = values_of(weights::random_weights(c, 1)),
             other = values_of(weights::random_weights(c, 2));
  CHECK(a == b);
  CHECK(a.size() == weights::expected_tensors(c).size());
  CHECK(a.at("model.layers.0.mlp.up_proj.weight") != other.at("model.layers.0.mlp.up_proj.weight"));
  CHECK(a.at("model.layers.0.mlp.up_proj.weight") != a.at("model.layers.0.mlp.gate_proj.weight"));
  CHECK(a.at("model.norm.weight") == std::vector<float>(48, 1.0f));
  auto const& up = a.at("model.layers.1.mlp.up_proj.weight");
  double mean = 0, square = 0;
  for (float x : up) mean += x, square += double(x) * x;
  CHECK(std::abs(mean / double(up.size())) < 0.01);
  CHECK(std::sqrt(square / double(up.size())) == Approx(1 / std::sqrt(48.0)).epsilon(0.05));
  c.layers = 1;                                        // a tensor does not depend on its company
  CHECK(values_of(weights::random_weights(c, 1)).at("model.layers.0.mlp.up_proj.weight") == a.at("model.layers.0.mlp.up_proj.weight"));
  c.type = dtype::bf16;
  auto const rounded = values_of(weights::random_weights(c, 1));
  c.type = dtype::f16;
  auto const halves = values_of(weights::random_weights(c, 1));
  for (auto const& [name, v] : rounded)
    for (std::size_t i = 0; i < v.size(); ++i) {
      if (name.find("o_proj") != name.npos || name.find("down_proj") != name.npos) continue;   // their scale knows the layers
      REQUIRE(v[i] == to_float(to_bf16(a.at(name)[i])));
      REQUIRE(std::abs(halves.at(name)[i] - a.at(name)[i]) <= std::abs(a.at(name)[i]) / 2048 + 1e-7f);
    }
}

TEST_CASE("random_weights: the same values by however many threads") {
  model_config c = read_config(source_dir() / "tests/fixtures/models/qwen2").config;
  c.vocabulary = int(weights::random_weights::shared_elements) / c.hidden + 5;   // one tensor that they share
  c.type = dtype::bf16;
  auto const one = values_of(weights::random_weights(c, 1, 0, 1));
  for (unsigned threads : {0u, 2u, 3u, 16u}) {
    CAPTURE(threads);
    CHECK((values_of(weights::random_weights(c, 1, 0, threads)) == one));
  }
  for (std::size_t count : {1u, 3u, 4u, 5u, 63u, 64u, 1001u}) {   // every element once, in ranges that begin at whole words, none of them empty
    std::vector<int> times(count);
    for (unsigned threads : {1u, 2u, 5u, 16u}) {
      CAPTURE(count, threads);
      std::mutex lock;
      unsigned ranges = 0;
      weights::detail::in_ranges(count, threads, [&](std::size_t first, std::size_t end) {
        std::lock_guard const held(lock);
        bool const whole = first % 4 == 0 && first < end;
        for (std::size_t i = first; i < end; ++i) times[i] += whole ? 1 : 1000;
        ++ranges;
      });
      CHECK(times == std::vector<int>(count, 1));
      CHECK((count < 1000 || ranges == threads));
      times.assign(count, 0);
    }
  }
}

TEST_CASE("random_weights: to_f16 inverts to_float and rounds to nearest even") {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    f16 const h{std::uint16_t(bits)};
    float const x = to_float(h);
    if (std::isnan(x)) CHECK(std::isnan(to_float(weights::detail::to_f16(x))));
    else if (weights::detail::to_f16(x) != h) FAIL("bits " << bits);
  }
  for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {          // halfway goes to the even neighbour
    float const low = to_float(f16{std::uint16_t(bits)}), high = to_float(f16{std::uint16_t(bits + 1)});
    std::uint16_t const even = std::uint16_t(bits % 2 == 0 ? bits : bits + 1);
    if (weights::detail::to_f16((low + high) / 2).bits != even) FAIL("bits " << bits);
  }
  CHECK(weights::detail::to_f16(65519.9f).bits == 0x7bff);
  CHECK(weights::detail::to_f16(65520.0f).bits == 0x7c00);
  CHECK(weights::detail::to_f16(-1e30f).bits == 0xfc00);
}

TEST_CASE("bandwidth: gives a plausible number at once") {
  double const rate = weights::measure_read_bandwidth(0.02);
  CHECK(rate > 1e8);
  CHECK(rate < 1e14);
}
