// The digest of a contract must change when bits do. Recorded are, for each architecture in each arithmetic, the revisions
// that the digest is made of and a hash of what they compute: log-probabilities of a pass, and of tokens sampled by a full
// chain. Where the hash differs and the revisions do not, somebody forgot to raise one.
// VERBATIM_RECORD=1 prints the table anew.
#include <bit>
#include <cstdio>
#include <cstdlib>

#include "catch.hpp"
#include "random_models.hpp"
#include "verbatim/front/generate.hpp"

namespace {

using namespace random_models;

struct recorded {
  char const *architecture, *type;
  int kernels, attention, linear, functions, rounding, sampler;
  std::uint64_t bits;
};
constexpr recorded table[] = {
#include "contract_bits.inc"
};

std::uint64_t fold(std::uint64_t h, std::span<float const> values) {
  for (float x : values) h = verbatim::digest_of({std::bit_cast<std::uint32_t>(x)}, h);
  return h;
}

template <class P> std::uint64_t bits_of(char const* architecture, char const* type, verbatim::kv_format kv = verbatim::kv_format::activations) {
  folder const model(config_of(architecture, type));
  verbatim::engine<P> engine({.checkpoint = model.path(), .random_weights = true, .threads = 1, .kv = kv});
  std::mt19937 random(1);
  std::uint64_t h = fold(0, engine.score(random_ids(random, 700, engine.config().vocabulary)));
  verbatim::request r;
  r.prompt = random_ids(random, 20, engine.config().vocabulary);
  r.max_tokens = 60;
  r.count = 3;
  r.ignore_eos = true;
  r.sampling = {.temperature = 0.9f, .top_p = 0.95f, .top_k = 100, .min_p = 0.001f, .repetition_penalty = 1.1f, .presence_penalty = 0.1f,
                .frequency_penalty = 0.1f, .seed = 3};
  for (auto const& c : verbatim::generate(engine, r)) {
    for (auto id : c.ids) h = verbatim::digest_of({std::uint64_t(id)}, h);
    h = fold(h, c.logprobs);
  }
  return h;
}

}  // namespace

TEST_CASE("contract: bits change only with a revision, and revisions change the digest") {
  std::size_t row = 0;
  for_each([&]<class P>(char const* architecture, char const* type) {
    verbatim::contract_terms const t = verbatim::terms_of<P>();
    std::uint64_t const bits = bits_of<P>(architecture, type);
    if (std::getenv("VERBATIM_RECORD"))
      std::printf("{\"%s\", \"%s\", %d, %d, %d, %d, %d, %d, 0x%016llxu},\n", architecture, type, t.kernels_revision, t.attention_revision,
                  t.linear_revision, t.functions_revision, t.rounding_revision, t.sampler_revision, static_cast<unsigned long long>(bits));
    CAPTURE(architecture, type);
    REQUIRE(row < std::size(table));
    recorded const& r = table[row++];
    bool const same_revisions = r.kernels == t.kernels_revision && r.attention == t.attention_revision && r.linear == t.linear_revision &&
        r.functions == t.functions_revision &&
                                r.rounding == t.rounding_revision && r.sampler == t.sampler_revision;
    INFO("the bits differ from those recorded for these revisions: raise the revision of what changed, then record the table anew");
    CHECK((!same_revisions || bits == r.bits));
    INFO("revisions have changed: record the table anew");
    CHECK(same_revisions);
  });
  CHECK(row == std::size(table));
}

TEST_CASE("contract: keys and values in other formats have bits of their own, which are recorded too") {
  static_assert(verbatim::kv_quantiser_revision == 1, "record these anew");
  auto const plain = verbatim::kv_format::activations, int8 = verbatim::kv_format::int8, narrow = verbatim::kv_format::bf16;
  CHECK(bits_of<examples::qwen3_bf16>("qwen3", "bfloat16", int8) == 0x96c0d92d110a12a2u);
  CHECK(bits_of<examples::llama_f32>("llama", "float32", int8) == 0x2d054d231069c05du);
  CHECK(bits_of<examples::llama_f32>("llama", "float32", narrow) == 0xe7758cdcc4ec6208u);
  CHECK(bits_of<examples::llama_bf16>("llama", "bfloat16", narrow) == bits_of<examples::llama_bf16>("llama", "bfloat16", plain));
  static_assert(verbatim::contract_of<examples::llama_bf16>({.kv = verbatim::kv_format::bf16}) == verbatim::contract_of<examples::llama_bf16>());
}

TEST_CASE("contract: every term changes the digest") {
  verbatim::contract_terms const base = verbatim::terms_of<examples::qwen3_bf16>();
  CHECK(verbatim::engine<examples::qwen3_bf16>::contract() == verbatim::digest(base));
  CHECK(verbatim::contract_of<examples::qwen3_bf16>() == verbatim::contract_of<examples::llama_bf16>());   // the model is not a term
  CHECK(verbatim::contract_of<examples::qwen3_bf16>() != verbatim::contract_of<examples::qwen3_f32>());
  std::vector<std::uint64_t> seen{verbatim::digest(base)};
  auto const with = [&](auto change) {
    auto t = base;
    change(t);
    for (auto d : seen) CHECK(d != verbatim::digest(t));
    seen.push_back(verbatim::digest(t));
  };
  with([](auto& t) { t.asked.level = verbatim::guarantee::run_to_run; });
  with([](auto& t) { t.asked.kv_leaf = 128; });
  with([](auto& t) { t.asked.k_leaf = 1024; });
  with([](auto& t) { t.type = "f32"; });
  with([](auto& t) { t.kernels = "other"; });
  with([](auto& t) { ++t.kernels_revision; });
  with([](auto& t) { ++t.attention_revision; });
  with([](auto& t) { t.linear_revision = 2; });
  with([](auto& t) { ++t.functions_revision; });
  with([](auto& t) { ++t.sampler_revision; });
  with([](auto& t) { ++t.rounding_revision; });
  with([](auto& t) { t.flushes_bf16 = !t.flushes_bf16; });
  with([](auto& t) { t.weights = verbatim::weight_format::int8; });
  with([](auto& t) { t.weights = verbatim::weight_format::int4; });
  with([](auto& t) { t.weights = verbatim::weight_format::w4a8; });
  with([](auto& t) { t.kv = verbatim::kv_format::int8; });
  with([](auto& t) { t.kv = verbatim::kv_format::bf16; });
  with([](auto& t) { t.kv = verbatim::kv_format::int8, ++t.kv_quantiser_revision; });
  auto const quantised = verbatim::terms_of<examples::qwen3_bf16>({verbatim::weight_format::int4});
  CHECK(verbatim::digest(quantised) == verbatim::engine<examples::qwen3_bf16>::contract({verbatim::weight_format::int4}));
  with([&](auto& t) { t = quantised; });
  with([&](auto& t) { t = quantised, ++t.quantiser_revision; });
  CHECK(verbatim::to_string(base).find("batch_invariant") == 0);
}

TEST_CASE("contract: the words say what is rounded, and no more") {
  auto const says = [](verbatim::contract_terms const& t, char const* what) { return verbatim::to_string(t).find(what) != std::string::npos; };
  using verbatim::kv_format, verbatim::weight_format;
  for (auto weights : {weight_format::checkpoint, weight_format::int8, weight_format::int4, weight_format::w4a8})
    for (auto kv : {kv_format::activations, kv_format::bf16, kv_format::int8})
      for (bool narrow : {false, true}) {
        auto const t = narrow ? verbatim::terms_of<examples::llama_bf16>({weights, kv}) : verbatim::terms_of<examples::llama_f32>({weights, kv});
        bool const quantised = weights != weight_format::checkpoint, rounds_kv = kv == kv_format::int8 || (kv == kv_format::bf16 && !narrow);
        CAPTURE(verbatim::to_string(t));
        CHECK(says(t, "rounded after norms") == narrow);
        CHECK(says(t, "nothing rounded below f32") == (!narrow && !quantised && !rounds_kv));
        CHECK(says(t, "rounded below f32 by nothing but the formats named here") == (!narrow && (quantised || rounds_kv)));
        CHECK(says(t, "matrices quantised to") == quantised);
        CHECK((!quantised || says(t, ("quantised to " + std::string(verbatim::name_of(weights)) + " in blocks of 32").c_str())));
        CHECK(says(t, "multiplied with is rounded to eight bits in blocks of 32") == (weights == weight_format::w4a8));
        CHECK(says(t, "keys and values rounded to bf16") == (rounds_kv && kv == kv_format::bf16));
        CHECK(says(t, "keys and values quantised to int8 in blocks of 32") == (kv == kv_format::int8));
        CHECK(says(t, ", keys and values in ") == !rounds_kv);
      }
}
