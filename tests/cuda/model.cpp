// Models on a GPU: logits against the CPU's within rounding, the bits of the host executor where every product is an fma, and the same
// bits however sequences are cut into steps.
#include "gpu.hpp"
#include "../conformance/device_model.hpp"
#include "verbatim/backend/cuda/library_linear.hpp"

using namespace device_model;

namespace {

struct with_library : cuda::sm90 {
  using linear = cuda::library_linear;
};

/// `fma`: the pipeline's products are of fma alone, so that a CPU gives the same bits.
template <class Model, class T> void check(architecture arch, dtype type, bool fma) {
  {
    model_config const c = config_of(arch, type);
    auto const all = some_sequences(c.vocabulary);
    weights::random_weights source(c, 3);
    numerics leaves = cuda::sm90::contract;
    leaves.kv_leaf = 64;
    auto const on_gpu = run_model<Model, cuda::sm90, T>(c, source, all, {}, leaves);
    check_distance<Model, T>(c, all, on_gpu);
    if (fma) CHECK(run_model<Model, cuda::emulated, T>(c, source, all, {}, leaves) == on_gpu);
  }
  model_config const c = config_of(arch, type, 4);
  auto const all = some_sequences(c.vocabulary, {1, 2, 17, 64, 65, 257, 300, 533, 1500});
  weights::random_weights source(c, 3);
  auto const expected = run_model<Model, cuda::sm90, T>(c, source, all, {}, cuda::sm90::contract);
  check_plans<cuda::sm90, Model, T>(c, all, expected, cuda::sm90::contract);
  numerics other = cuda::sm90::contract;
  other.kv_leaf = 64;
  if (sizeof(T) == 4) CHECK_FALSE(run_model<Model, cuda::sm90, T>(c, source, all, {}, other) == expected);   // the comparison can fail
}

}  // namespace

TEST_CASE("gpu: models in f32") {
  if (!have_gpu()) return;
  check<llama, float>(architecture::mistral, dtype::f32, true);
  check<qwen3, float>(architecture::qwen3, dtype::f32, true);
}
TEST_CASE("gpu: models in bf16") {
  if (!have_gpu()) return;
  check<qwen2, bf16>(architecture::qwen2, dtype::bf16, std::is_same_v<cuda::sm90::linear, cuda::fma_linear>);
  check<llama, bf16>(architecture::llama, dtype::bf16, std::is_same_v<cuda::sm90::linear, cuda::fma_linear>);
}
TEST_CASE("gpu: products of the library are as near to f32 as the CPU's, and the same in every run") {
  if (!have_gpu()) return;
  try {
    cuda::open_library();
  } catch (error const&) {
    return skip("cuBLASLt is not installed");
  }
  model_config const c = config_of(architecture::qwen2, dtype::bf16, 4);
  auto const all = some_sequences(c.vocabulary, {1, 2, 17, 64, 65, 257});
  weights::random_weights source(c, 3);
  auto const exact = run_model<qwen2, cpu::native, float>(c, source, all);
  double const of_cpu = distance(exact, run_model<qwen2, cpu::native, bf16>(c, source, all));
  for (plan const& p : {plan{}, plan{64, 1, 1, 1}, plan{64, 1, 40, 2}}) {   // whole prompts; decoding, by graphs; chunks
    CAPTURE(p.chunk);
    auto const once = run_model<qwen2, with_library, bf16>(c, source, all, p, fastest);
    CHECK(run_model<qwen2, with_library, bf16>(c, source, all, p, fastest) == once);
    CHECK(distance(exact, once) < 1.118 * of_cpu);
  }
}
