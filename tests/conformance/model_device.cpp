// The backend of CUDA devices under the host executor: logits against the CPU's within rounding, and the same bits however sequences
// are cut into steps. Every kernel runs under watch for races, stray accesses and divergent barriers.
#include <cstring>
#include <deque>

#include "device_model.hpp"

using namespace device_model;

namespace {

template <class Model, class T> void check(architecture arch, dtype type, int head_dim = 32, int leaf = 32) {
  model_config c = config_of(arch, type);
  c.head_dim = head_dim;
  auto const all = some_sequences(c.vocabulary);
  weights::random_weights source(c, 3);
  numerics const leaves = contract_of_leaves(leaf);
  auto const expected = run_model<Model, cuda::emulated, T>(c, source, all, {}, leaves);
  check_distance<Model, T>(c, all, expected);
  check_plans<cuda::emulated, Model, T>(c, all, expected, leaves);
  if constexpr (sizeof(T) == 4)   // the comparison can fail; in bf16 rounding hides it here
    CHECK_FALSE(run_model<Model, cuda::emulated, T>(c, source, all, {}, contract_of_leaves(64)) == expected);
}

}  // namespace

TEST_CASE("device model: f32") {
  check<llama, float>(architecture::mistral, dtype::f32);
  check<qwen3, float>(architecture::qwen3, dtype::f32);
}
TEST_CASE("device model: bf16, attention by fma") {
  check<qwen2, bf16>(architecture::qwen2, dtype::bf16);
  check<llama, bf16>(architecture::llama, dtype::bf16);
}
TEST_CASE("device model: bf16, attention on tensor cores") { check<qwen3, bf16>(architecture::qwen3, dtype::bf16, 64, 64); }
TEST_CASE("device model: weights from the device's own memory, copied or converted, give the same bits") {
  model_config const c = config_of(architecture::qwen2, dtype::bf16);
  auto const all = some_sequences(c.vocabulary);
  weights::random_weights first(c, 3), second(c, 4);
  auto const expected = run_model<qwen2, cuda::emulated, bf16>(c, second, all, {}, cuda::emulated::contract);
  for (bool wide : {false, true}) {
    std::deque<std::vector<std::byte>> kept;   // the executor's device memory is the host's
    std::deque<std::string> names;
    std::vector<tensor> tensors;
    weights::for_each(second, [&](tensor const& t) {
      auto& bytes = kept.emplace_back(std::size_t(t.shape.elements()) * (wide ? 4 : size_of(t.type)));
      if (wide)
        for (std::size_t i = 0; i < std::size_t(t.shape.elements()); ++i) reinterpret_cast<float*>(bytes.data())[i] = to_float(static_cast<bf16 const*>(t.data)[i]);
      else std::memcpy(bytes.data(), t.data, bytes.size());
      tensors.push_back({names.emplace_back(t.name), wide ? dtype::f32 : t.type, t.shape, bytes.data(), memory_space::device});
    });
    tensors.push_back(tensors.front());   // a tied head, as state dictionaries have it
    for (auto const& t : tensors) if (t.name == "model.embed_tokens.weight") tensors.back() = t;
    tensors.back().name = "lm_head.weight";
    auto copy_of_head = std::vector<std::byte>(static_cast<std::byte const*>(tensors.back().data),
                                               static_cast<std::byte const*>(tensors.back().data) + tensors.back().bytes());
    tensors.back().data = copy_of_head.data();

    auto model = std::make_unique<loaded_model<qwen2, cuda::emulated, bf16>>(c, limits_for(all, {}), cuda::emulated::contract);
    model->load(first);
    CHECK_FALSE(run(*model, all, {}, c.vocabulary) == expected);
    model->check_weights(tensors, wide ? rounding::allowed : rounding::exact);
    model->replace_weights(tensors);
    CHECK(run(*model, all, {}, c.vocabulary) == expected);
    copy_of_head.back() ^= std::byte(0x40);
    try {
      model->check_weights(tensors, rounding::allowed);
      FAIL("a head of its own was not refused");
    } catch (error const& e) {
      CHECK(e.number() == 58);
    }
    auto on_cpu = std::make_unique<loaded_model<qwen2, cpu::native, bf16>>(c, limits_for(all, {}), batch_invariant);
    try {
      on_cpu->check_weights(tensors, rounding::allowed);
      FAIL("device memory was not refused");
    } catch (error const& e) {
      CHECK(e.number() == 59);
    }
  }
}
TEST_CASE("device model: what it has no kernels for is refused") {
  model_config c = config_of(architecture::llama, dtype::f32);
  ops_limits const limits{.tokens = 4, .slices = 2, .outputs = 4, .pages = 2, .page = 16};
  auto const refused = [&](char const* with, numerics contract = cuda::emulated::contract) {
    try {
      loaded_model<llama, cuda::emulated, float> model(c, limits, contract);
      FAIL("not refused");
    } catch (error const& e) {
      CHECK(std::string(e.what()).find(with) == 0);
    }
  };
  refused("[verbatim.device.3]", batch_invariant);
  refused("[verbatim.device.14]", contract_of_leaves(8192));
  c.head_dim = 24;
  refused("[verbatim.device.1]");
  c.head_dim = 32, c.hidden = 70;
  refused("[verbatim.device.2]");
}
