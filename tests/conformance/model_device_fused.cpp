// A CUDA device with as many processors as a GPU, under the host executor, so that small products are cut among blocks as they are there:
// fused operations give the bits of unfused ones, and a layer makes the launches that docs/design.md says.
#include "device_model.hpp"

using namespace device_model;

namespace {

struct counting : cuda::emulator {
  static constexpr int processors = 132;
  inline static int launches = 0;
  template <class Params> void launch(Params const& p) {
    ++launches;
    cuda::emulator::launch(p);
  }
};
struct wide : cuda::any_cuda {
  static constexpr char const* name = "wide";
  static constexpr char const* kernels = "wide";
  using executor = counting;
};
struct unfused : wide {};

/// Two leaves of k in each product.
model_config config(int layers) {
  model_config c = config_of(architecture::qwen3, dtype::bf16);
  c.layers = layers, c.hidden = 528, c.intermediate = 520;
  c.heads = 9, c.kv_heads = 3, c.head_dim = 64;
  return c;
}
template <class Device> all_logits logits_of(int layers, std::vector<int> const& lengths, plan const& p = {}) {
  model_config const c = config(layers);
  weights::random_weights source(c, 3);
  return run_model<qwen3, Device, bf16>(c, source, some_sequences(c.vocabulary, lengths), p, contract_of_leaves(64));
}
/// Of a step of one sequence.
int launches_of_a_layer(int rows) {
  auto const count = [&](int layers) {
    int const before = counting::launches;
    logits_of<wide>(layers, {rows});
    return counting::launches - before;
  };
  int const loads = 7;   // of tiles, a layer
  return count(2) - count(1) - loads;
}

}  // namespace

namespace verbatim {
template <class T> class ops<unfused, T, cuda::tensor_attention, cuda::tensor_linear> : public ops<wide, T> {
 public:
  using ops<wide, T>::ops;
  void linear_add() = delete;
  void gate_up_silu() = delete;
  void queries() = delete;
};
}  // namespace verbatim

TEST_CASE("device model: fused operations give the bits of unfused ones, and of other cuts into steps") {
  auto const expected = logits_of<wide>(2, {3, 66});
  CHECK(logits_of<wide>(2, {3, 66}, {32, 1, 40, 3}) == expected);
  CHECK(logits_of<unfused>(2, {3, 66}) == expected);
}

TEST_CASE("device model: launches of a layer") {
  CHECK(launches_of_a_layer(1) == 10);    // qkv, append, attention and its merge, o, merge, gate and up, merge, down, merge
  CHECK(launches_of_a_layer(65) == 8);    // qkv, append, attention, o, norm, gate and up, down, norm
}
