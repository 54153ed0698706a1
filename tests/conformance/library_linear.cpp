// The linear part for contracts of run_to_run, with a plain product in the library's place: near the exact product, rounded once, with
// bias and residual; models through it as near to f32 as the CPU's. What the library itself gives is for a GPU (tests/cuda/model.cpp).
#include <cmath>
#include <random>

#include "device_model.hpp"
#include "verbatim/backend/cuda/library_linear.hpp"
#include "verbatim/engine/contract.hpp"

using namespace device_model;

namespace {

struct emulated : cuda::emulated {
  using linear = cuda::library_linear;
};

struct strict : pipeline<cuda::emulated, llama> {};
struct loose : pipeline<cuda::emulated, llama> {
  using linear = cuda::library_linear;
  static constexpr numerics contract = fastest;
};
static_assert(check<loose>());
static_assert(guarantee_of<cuda::library_linear> < strict::contract.level);   // so the default contract refuses it
static_assert(contract_of<loose>() != contract_of<strict>());
static_assert(ops<cuda::emulated, bf16, cuda::tensor_attention, cuda::library_linear>::offers == guarantee::run_to_run);
static_assert(ops<cuda::emulated, bf16>::offers == guarantee::batch_invariant);

template <class T> cuda::device_array<cuda::emulator, T> random_values(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  cuda::device_array<cuda::emulator, T> out(count);
  for (std::size_t i = 0; i < count; ++i) out.data()[i] = from_float<T>(kernel::rounded_to<bf16>(normal(random)));
  return out;
}

/// Every element is near the exact value, rounded once; some are not what two roundings would give.
template <class Out> void check_product(int rows, int outputs, int k, bool with_bias, bool with_residual) {
  CAPTURE(rows, outputs, k, with_bias, with_residual, sizeof(Out));
  auto const x = random_values<bf16>(std::size_t(rows * k), 1), w = random_values<bf16>(std::size_t(outputs * k), 2);
  auto const bias = random_values<float>(std::size_t(outputs), 3);
  auto y = random_values<Out>(std::size_t(rows * outputs), 4);
  std::vector<Out> const residual(y.data(), y.data() + y.size());
  cuda::device_array<cuda::emulator, float> scratch(cuda::library_linear::partial_room({outputs, k, rows}, 4));
  cuda::emulator e;
  cuda::product<bf16, Out> p{x, w, {}, {}, y, rows, outputs, k};
  if (with_bias) p.bias = bias;
  if (with_residual) p.residual = y;   // in place, as models ask
  cuda::library_linear::enqueue(e, p, cuda::product_scratch<bf16>{{}, scratch});
  e.wait();
  long twice = 0;
  for (int r = 0; r < rows; ++r)
    for (int o = 0; o < outputs; ++o) {
      std::size_t const at = std::size_t(r * outputs + o);
      double exact = with_bias ? double(bias.data()[o]) : 0, magnitude = std::abs(exact);
      for (int i = 0; i < k; ++i) {
        double const term = double(to_float(x.data()[r * k + i])) * double(to_float(w.data()[o * k + i]));
        exact += term, magnitude += std::abs(term);
      }
      double const product = exact;
      if (with_residual) exact += double(to_float(residual[at])), magnitude += std::abs(double(to_float(residual[at])));
      double const allowed = magnitude * (k + 2) * 0x1p-24, found = double(to_float(y.data()[at]));
      REQUIRE(std::abs(found - exact) <= allowed + (std::abs(exact) + allowed) * (sizeof(Out) == 2 ? 0x1p-8 : 0x1p-24));
      if (with_residual && found != double(to_float(from_float<Out>(float(double(kernel::rounded_to<Out>(float(product))) + double(to_float(residual[at]))))))) ++twice;
    }
  if (sizeof(Out) == 2 && with_residual) CHECK(twice > 0);
}

}  // namespace

TEST_CASE("library linear: products near the exact ones, rounded once") {
  for (auto [rows, outputs, k] : {std::array{1, 200, 64}, {9, 131, 136}, {33, 64, 1608}}) {
    check_product<bf16>(rows, outputs, k, false, false);
    check_product<bf16>(rows, outputs, k, true, true);
    check_product<float>(rows, outputs, k, false, false);
  }
}

TEST_CASE("library linear: models as near to f32 as the CPU's") {
  auto const near = [](auto model, architecture arch) {
    using M = decltype(model);
    model_config const c = config_of(arch, dtype::bf16);
    auto const all = some_sequences(c.vocabulary);
    weights::random_weights source(c, 3);
    numerics contract = fastest;
    contract.kv_leaf = 32;
    auto const logits = run_model<M, emulated, bf16>(c, source, all, {}, contract);
    CHECK(run_model<M, emulated, bf16>(c, source, all, {}, contract) == logits);
    CHECK_FALSE(run_model<M, cuda::emulated, bf16>(c, source, all, {}, contract_of_leaves(32)) == logits);   // other products
    auto const exact = run_model<M, cpu::native, float>(c, source, all);
    double const of_cpu = distance(exact, run_model<M, cpu::native, bf16>(c, source, all)), mine = distance(exact, logits);
    INFO("distance from f32 " << mine << ", the CPU's in bf16 " << of_cpu);
    CHECK(mine < 1.118 * of_cpu);
    CHECK_THROWS_AS((run_model<M, emulated, bf16>(c, source, all, {}, contract_of_leaves(32))), error);   // whose k_leaf it has not
  };
  near(qwen2{}, architecture::qwen2);   // with biases, the head tied
  near(llama{}, architecture::llama);
}
