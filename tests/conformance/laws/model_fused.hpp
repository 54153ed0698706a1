// A CUDA device with as many processors as a GPU, so that small products are cut among blocks as they are there: fused operations give the
// bits of unfused ones, and a layer makes the launches that docs/design.md says. Over the host executor or a GPU.
#pragma once
#include "../device_model.hpp"

namespace laws::fused {

using namespace device_model;

/// Device with its launches counted.
template <class Device> struct wide : Device {
  struct executor : Device::executor {
    static constexpr int processors = 132;
    inline static int launches = 0;
    template <class Params> void launch(Params const& p) {
      ++launches;
      Device::executor::launch(p);
    }
  };
};
template <class Device> struct unfused : wide<Device> {};

/// Two leaves of k in each product, but four in that of `down`, which is cut among blocks however many rows there are.
inline model_config config(int layers) {
  model_config c = config_of(architecture::qwen3, dtype::bf16);
  c.layers = layers, c.hidden = 528, c.intermediate = 1544;
  c.heads = 9, c.kv_heads = 3, c.head_dim = 64;
  return c;
}
template <class Device> all_logits logits_of(int layers, std::vector<int> const& lengths, plan const& p = {}) {
  model_config const c = config(layers);
  weights::random_weights source(c, 3);
  return run_model<qwen3, Device, bf16>(c, source, some_sequences(c.vocabulary, lengths), p, contract_of_leaves(64));
}

/// And so do other cuts into steps.
template <class Device> void fused_operations_give_the_bits_of_unfused_ones() {
  auto const expected = logits_of<wide<Device>>(2, {3, 66});
  CHECK(logits_of<wide<Device>>(2, {3, 66}, {32, 1, 40, 3}) == expected);
  CHECK(logits_of<unfused<Device>>(2, {3, 66}) == expected);
}

/// Of a step of one sequence.
template <class Device> int launches_of_a_layer(int rows) {
  using executor = typename wide<Device>::executor;
  auto const count = [&](int layers) {
    int const before = executor::launches;
    logits_of<wide<Device>>(layers, {rows});
    return executor::launches - before;
  };
  int const loads = 7;   // of tiles, a layer
  return count(2) - count(1) - loads;
}
static_assert(cuda::product_form_for({65, 528, 1544}, 132).leaves_each > 0 && cuda::product_form_for({65, 3088, 528}, 132).leaves_each == 0);
template <class Device> void a_layer_makes_few_launches() {
  CHECK(launches_of_a_layer<Device>(1) == 10);    // qkv, append, attention and its merge, o, merge, gate and up, merge, down, merge
  CHECK(launches_of_a_layer<Device>(65) == 8);    // qkv, append, attention, o, norm, gate and up, down, merge and norm
}

}  // namespace laws::fused

namespace verbatim {
template <class Device, class T>
class ops<::laws::fused::unfused<Device>, T, cuda::tensor_attention, cuda::tensor_linear> : public ops<::laws::fused::wide<Device>, T> {
 public:
  using ops<::laws::fused::wide<Device>, T>::ops;
  void linear_add() = delete;
  void gate_up_silu() = delete;
  void queries() = delete;
};
}  // namespace verbatim
