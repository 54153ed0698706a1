// What loading refuses, and what it converts.
#include <cstring>
#include <string>
#include <vector>

#include "catch.hpp"
#include "verbatim/backend/cpu/ops.hpp"
#include "verbatim/model/llama.hpp"
#include "verbatim/model/loaded_model.hpp"
#include "verbatim/model/qwen.hpp"

using namespace verbatim;

namespace {

model_config tiny(bool tied = false) {
  model_config c;
  c.layers = 1, c.hidden = 6, c.intermediate = 5, c.vocabulary = 9, c.heads = 2, c.kv_heads = 1, c.head_dim = 4, c.tied = tied;
  return c;
}

/// Tensors in memory; each() follows the concept weight_source.
struct memory_source {
  struct owned {
    std::string name;
    dtype type;
    extents shape;
    std::vector<unsigned char> bytes;
  };
  std::vector<owned> tensors;

  std::uint64_t version() const { return 7; }
  void each(void (*visit)(tensor const&, void*), void* self) const {
    for (auto const& t : tensors) visit({t.name, t.type, t.shape, t.bytes.data()}, self);
  }
  owned& operator[](std::string_view name) {
    for (auto& t : tensors)
      if (t.name == name) return t;
    FAIL("no tensor " << name);
    throw 0;
  }
};

template <class T> void put(memory_source::owned& t, std::size_t i, T x) { std::memcpy(t.bytes.data() + i * sizeof(T), &x, sizeof(T)); }

/// Small multiples of 1/16, which f16 and bf16 hold exactly.
memory_source source_of(model_config const& c, dtype type) {
  memory_source out;
  unsigned n = 0;
  for (auto const& e : expected_weights<llama>(c)) {
    out.tensors.push_back({e.name, type, e.shape, std::vector<unsigned char>(std::size_t(e.shape.elements()) * size_of(type))});
    for (std::size_t i = 0; i < std::size_t(e.shape.elements()); ++i) {
      float const x = float(int(n++ * 37 % 15) - 7) / 16;
      if (type == dtype::f32) put(out.tensors.back(), i, x);
      else if (type == dtype::bf16) put(out.tensors.back(), i, to_bf16(x));
      else {
        std::uint16_t half = 0;   // the f16 with this value, by search: exactness is the point
        while (to_float(f16{half}) != x) ++half;
        put(out.tensors.back(), i, f16{half});
      }
    }
  }
  return out;
}

template <class T> using scalar_model = loaded_model<llama, cpu::scalar, T>;
constexpr ops_limits limits{.tokens = 4, .slices = 2, .outputs = 4, .pages = 2, .page = 16};

template <class T> std::vector<float> logits_of(model_config const& c, memory_source& source) {
  scalar_model<T> model(c, limits, batch_invariant);
  model.load(source);
  CHECK(model.version() == 7);
  token const ids[] = {1, 8, 0};
  int const positions[] = {0, 1, 2}, outputs[] = {0, 2}, page = 1;
  slice const s{0, 3, 0, &page};
  auto const l = model.forward({3, ids, positions, 1, &s, 2, outputs});
  REQUIRE(l.rows == 2);
  std::vector<float> out(l.data, l.data + 9);
  out.insert(out.end(), l.data + l.stride, l.data + l.stride + 9);
  return out;
}

/// The error's number, or 0; the message must hold `text`.
template <class F> int error_of(F&& f, std::string const& text) {
  try {
    f();
  } catch (error const& e) {
    CHECK(e.area() == "checkpoint");
    INFO(e.what());
    CHECK(std::string(e.message()).find(text) != std::string::npos);
    return e.number();
  }
  return 0;
}

int load_error(memory_source& source, std::string const& text, bool tied = false) {
  scalar_model<float> model(tiny(tied), limits, batch_invariant);
  return error_of([&] { model.load(source); }, text);
}

}  // namespace

TEST_CASE("loader: every checkpoint type gives the same f32 model") {
  auto f32 = source_of(tiny(), dtype::f32), half = source_of(tiny(), dtype::f16), brain = source_of(tiny(), dtype::bf16);
  auto const expected = logits_of<float>(tiny(), f32);
  CHECK(logits_of<float>(tiny(), half) == expected);
  CHECK(logits_of<float>(tiny(), brain) == expected);
  f32["lm_head.weight"].bytes[2] ^= 64;
  CHECK_FALSE(logits_of<float>(tiny(), f32) == expected);
}

TEST_CASE("loader: bf16 refuses what it cannot hold unless rounding is allowed") {
  auto f32 = source_of(tiny(), dtype::f32), half = source_of(tiny(), dtype::f16), brain = source_of(tiny(), dtype::bf16);
  scalar_model<bf16> model(tiny(), limits, batch_invariant);
  CHECK(error_of([&] { model.load(f32); }, "BF16 expected, F32 found") == 53);
  CHECK(error_of([&] { model.load(half); }, "BF16 expected, F16 found") == 53);
  model.load(f32, rounding::allowed);
  model.load(brain);
}

TEST_CASE("loader: missing, unexpected, repeated and misshapen tensors are named") {
  auto const good = source_of(tiny(), dtype::f32);
  auto source = good;
  source.tensors.pop_back();
  CHECK(load_error(source, "model.layers.0.mlp.down_proj.weight: expected [6, 5], not found (1 of 12") == 51);
  source = good;
  source["model.layers.0.mlp.up_proj.weight"].shape = {{6, 5}, 2};
  CHECK(load_error(source, "model.layers.0.mlp.up_proj.weight: shape [5, 6] expected, [6, 5] found") == 52);
  source = good;
  source.tensors.push_back(source["model.norm.weight"]);
  CHECK(load_error(source, "model.norm.weight: found twice") == 54);
  source = good;
  source.tensors.push_back({"model.layers.0.self_attn.q_proj.bias", dtype::f32, {{8}, 1}, std::vector<unsigned char>(32)});
  CHECK(load_error(source, "model.layers.0.self_attn.q_proj.bias") == 50);
  source.tensors.back().name = std::string(100000, 'x');
  CHECK(load_error(source, "xxx") == 50);
}

TEST_CASE("loader: duplicate heads of tied models and stored frequencies are passed over") {
  auto source = source_of(tiny(), dtype::f32);   // untied: it has a head
  CHECK(load_error(source, "", true) == 0);
  source.tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", dtype::f32, {{2}, 1}, std::vector<unsigned char>(8)});
  CHECK(load_error(source, "") == 0);
}

TEST_CASE("loaded_model: another architecture and impossible numbers are refused") {
  auto const build = [](model_config const& c, ops_limits l = limits, numerics n = batch_invariant) {
    return [=] { scalar_model<float> m(c, l, n); };
  };
  auto c = tiny();
  c.arch = architecture::qwen3;
  CHECK(error_of(build(c), "architecture needs the model verbatim::qwen3") == 55);
  c = tiny(), c.head_dim = 5;
  CHECK(error_of(build(c), "head_dim is 5") == 56);
  c = tiny(), c.kv_heads = 3, c.heads = 4;
  CHECK(error_of(build(c), "4 heads") == 56);
  c = tiny(), c.layers = 0;
  CHECK(error_of(build(c), "layers is 0") == 56);
  CHECK(error_of(build(tiny(), {4, 2, 4, 2, 24, 1}), "tokens of a page is 24") == 57);
  CHECK(error_of(build(tiny(), {4, 2, 4, 0, 16, 1}), "KV pages is 0") == 57);
  CHECK(error_of(build(tiny(), limits, {guarantee::batch_invariant, 8, 0}), "kv_leaf") == 57);
  CHECK(error_of(build(tiny()), "") == 0);
}

TEST_CASE("table: groups of names") {
  static_assert(parts_of("mlp.{gate,up}_proj.weight") == 2 && parts_of("a.b") == 1);
  CHECK(name_of_part("self_attn.{q,k,v}_proj.bias", 0) == "self_attn.q_proj.bias");
  CHECK(name_of_part("self_attn.{q,k,v}_proj.bias", 2) == "self_attn.v_proj.bias");
  CHECK(name_of_part("lm_head.weight", 0) == "lm_head.weight");
}
