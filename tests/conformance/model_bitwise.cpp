// The same sequences give the same bits, however they are cut into steps: chunks, company, page sizes, page order, threads.
// Fused operations give the bits of the operations that they join.
#include "../model_runner.hpp"

using namespace model_test;

namespace {

struct unfused { using attention = verbatim::cpu::leaf_attention; using linear = verbatim::cpu::packed_linear; };

model_config config_of(architecture arch, dtype type) {
  model_config c;
  c.arch = arch, c.type = type;
  c.layers = 2, c.hidden = 80, c.intermediate = 136, c.vocabulary = 131;
  c.heads = 6, c.kv_heads = 2, c.head_dim = 24, c.context = 2048;
  c.attention_bias = arch == architecture::qwen2;
  c.tied = arch == architecture::qwen2;
  if (arch == architecture::mistral) c.window = 37;
  return c;
}

sequences some_sequences(int vocabulary) {
  std::mt19937 random(7);
  sequences all;
  for (int length : {1, 2, 17, 64, 65, 300, 533}) {
    all.emplace_back();
    for (int i = 0; i < length; ++i) all.back().push_back(token(random() % unsigned(vocabulary)));
  }
  return all;
}

template <class T, class Model> void check_plans(model_config const& c) {
  weights::random_weights source(c, 3);
  auto const all = some_sequences(c.vocabulary);
  auto const expected = run_model<Model, cpu::native, T>(c, source, all);
  for (plan const& p : {plan{16, 1, 0, 1}, plan{64, 2, 0, 2}, plan{16, 2, 7, 3}, plan{32, 3, 1, 4}, plan{512, 2, 40, 5},
                        plan{64, 1, 300, 6}, plan{256, 2, 13, 7}}) {
    CAPTURE(p.page, p.threads, p.chunk, p.seed);
    CHECK(run_model<Model, cpu::native, T>(c, source, all, p) == expected);
  }
  // The test can fail: another order of summation over the keys is another result.
  numerics other = batch_invariant;
  other.kv_leaf = 64;
  CHECK_FALSE(run_model<Model, cpu::native, T>(c, source, all, {}, other) == expected);
}

}  // namespace

namespace verbatim {
/// The native backend without what it offers beyond the operations that every backend has.
template <class T> class ops<unfused, T, cpu::leaf_attention, cpu::packed_linear> : public ops<cpu::native, T> {
 public:
  using ops<cpu::native, T>::ops;
  void linear_add() = delete;
  void gate_up_silu() = delete;
};
}  // namespace verbatim

TEST_CASE("model: f32 bits do not depend on chunks, company, pages or threads") {
  check_plans<float, llama>(config_of(architecture::mistral, dtype::f32));
  check_plans<float, qwen2>(config_of(architecture::qwen2, dtype::f32));
}

TEST_CASE("model: bf16 bits do not depend on chunks, company, pages or threads") {
  check_plans<bf16, llama>(config_of(architecture::llama, dtype::bf16));
  check_plans<bf16, qwen3>(config_of(architecture::qwen3, dtype::bf16));
}

TEST_CASE("model: fused operations give the bits of unfused ones") {
  using fused_ops = ops<cpu::native, float>;
  using plain_ops = ops<unfused, float>;
  constexpr auto offers_linear_add = []<class O>(O*) {
    return requires(O& o, typename O::rows x, typename O::matrix const& m, typename O::vector const& v) { o.linear_add(x, x, m, v); };
  };
  static_assert(offers_linear_add(static_cast<fused_ops*>(nullptr)));
  static_assert(!offers_linear_add(static_cast<plain_ops*>(nullptr)));
  auto const c32 = config_of(architecture::qwen2, dtype::f32);
  auto const c16 = config_of(architecture::qwen2, dtype::bf16);
  weights::random_weights f32(c32, 5), half(c16, 5);
  auto const all = some_sequences(c32.vocabulary);
  plan const p{16, 2, 30, 1};
  CHECK(run_model<qwen2, cpu::native, float>(c32, f32, all, p) == run_model<qwen2, unfused, float>(c32, f32, all, p));
  CHECK(run_model<qwen2, cpu::native, bf16>(c16, half, all, p) == run_model<qwen2, unfused, bf16>(c16, half, all, p));
}

TEST_CASE("model: a page copied to another continues with the same bits") {
  auto const c = config_of(architecture::llama, dtype::bf16);
  weights::random_weights source(c, 3);
  auto const ids = some_sequences(c.vocabulary)[3];  // 64 tokens
  loaded_model<llama, cpu::native, bf16> model(c, {64, 1, 64, 4, 64, 1}, batch_invariant);
  model.load(source);
  std::vector<int> positions(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) positions[i] = int(i);
  int const original = 2, copy = 1, last = int(ids.size()) - 1, output = 0;
  slice const head{0, last, 0, &original};
  model.forward({last, ids.data(), positions.data(), 1, &head, 1, &output});
  model.backend().copy_page(original, copy);
  auto const step_on = [&](int const* page) {
    slice const tail{0, 1, last, page};
    auto const l = model.forward({1, ids.data() + last, positions.data() + last, 1, &tail, 1, &output});
    return std::vector<float>(l.data, l.data + l.vocabulary);
  };
  auto const expected = step_on(&original);
  CHECK(step_on(&copy) == expected);
  int const untouched = 3;
  CHECK_FALSE(step_on(&untouched) == expected);
}
