// Launches overlap on a GPU, and products ask for weights before they wait for the launch before (backend/cuda/launch.cuh): whoever writes
// weights ends before. The host executor finds what on a GPU would be old weights now and then.
#include <optional>

#include "catch.hpp"
#include "verbatim/backend/cuda/emulator.hpp"
#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/backend/cuda/parts.hpp"
#include "verbatim/kernel/rowwise.hpp"

using namespace verbatim;
namespace sm90 = kernel::sm90;
using rule = simt::protocol_defect::rule;

namespace {

struct stream {
  static constexpr int outputs = 64, k = 64, rows = 8, groups = cuda::tensor_linear::groups(rows);
  template <class T> using array = cuda::device_array<cuda::emulator, T>;

  cuda::emulator device;
  array<bf16> as_rows{outputs * k}, weights{sm90::weight_elements(outputs, k)}, others{weights.size()}, x{sm90::activation_elements(groups, k)}, y{rows * outputs};
  array<float> partial{cuda::tensor_linear::partial_room({outputs, k, rows}, cuda::emulator::processors)}, sums{64};
  cuda::staging_array<cuda::emulator, float> staged{64};

  void write_weights() { device.launch(sm90::tile_weights{{as_rows, weights, outputs, k}}); }
  void write_others() { device.launch(sm90::tile_weights{{as_rows, others, outputs, k}}); }
  void add() { device.launch(kernel::add_params<float>{sums, sums, 4, 16}); }
  void multiply() {
    cuda::product<bf16, bf16> const p{x, weights, {}, {}, y, rows, outputs, k, groups};
    cuda::tensor_linear::enqueue(device, p, cuda::product_scratch<bf16>{{}, partial});
  }
};

template <class F> std::optional<rule> broken(F&& f) {
  stream s;
  try {
    f(s);
    s.device.wait();
    return std::nullopt;
  } catch (simt::protocol_defect const& d) {
    return d.broken;
  }
}

}  // namespace

TEST_CASE("overlap: a product behind a launch that writes its weights is a defect, whatever else is launched between") {
  CHECK(broken([](stream& s) { s.write_weights(), s.multiply(); }) == rule::dependency);
  CHECK(broken([](stream& s) { s.write_weights(), s.add(), s.write_others(), s.add(), s.multiply(); }) == rule::dependency);
  CHECK(broken([](stream& s) { s.write_weights(), s.device.replay({1}, [&] { s.add(), s.multiply(); }); }) == rule::dependency);   // the first time there is no graph
}

TEST_CASE("overlap: a copy or a wait between them keeps their order") {
  CHECK(!broken([](stream& s) { s.write_weights(), s.device.upload(s.sums.data(), s.staged.data(), 4), s.multiply(); }));
  CHECK(!broken([](stream& s) { s.write_weights(), s.device.copy(s.sums.data(), s.sums.data() + 1, 4), s.add(), s.multiply(); }));
  CHECK(!broken([](stream& s) { s.write_weights(), s.device.wait(), s.multiply(); }));
  CHECK(!broken([](stream& s) { s.write_weights(), s.device.mark(0), s.device.wait(0), s.multiply(); }));
  CHECK(broken([](stream& s) { s.device.mark(0), s.write_weights(), s.device.wait(0), s.multiply(); }) == rule::dependency);   // waits for what came before
}

TEST_CASE("overlap: a wait orders what is enqueued after it, not what it runs") {
  CHECK(broken([](stream& s) { s.write_weights(), s.device.mark(0), s.multiply(), s.device.wait(0), s.device.wait(); }) == rule::dependency);
  CHECK(broken([](stream& s) { s.write_weights(), s.device.mark(0), s.add(), s.device.replay({1}, [&] { s.multiply(); }), s.device.wait(0); }) == rule::dependency);
  CHECK(broken([](stream& s) { s.device.mark(0), s.write_weights(), s.device.mark(1), s.device.wait(0), s.multiply(), s.device.wait(1); }) == rule::dependency);
  CHECK(!broken([](stream& s) { s.write_weights(), s.device.mark(0), s.add(), s.device.mark(1), s.device.wait(0), s.multiply(), s.device.wait(1); }));
  CHECK(!broken([](stream& s) { s.multiply(), s.device.mark(0), s.write_weights(), s.device.wait(0), s.device.wait(), s.multiply(); }));
  // A copy does, also of what is enqueued before anything has run, and only of what stands before it.
  CHECK(!broken([](stream& s) { s.write_weights(), s.device.mark(0), s.device.copy(s.sums.data(), s.sums.data() + 1, 4), s.multiply(), s.device.wait(0); }));
  CHECK(broken([](stream& s) { s.device.copy(s.sums.data(), s.sums.data() + 1, 4), s.write_weights(), s.multiply(); }) == rule::dependency);
  // A graph's launches stand where they are replayed, not where they were recorded.
  CHECK(broken([](stream& s) {
    auto const graph = [&] { s.device.replay({1}, [&] { s.multiply(); }); };
    graph(), s.device.wait(), s.write_weights(), graph();
  }) == rule::dependency);
}

TEST_CASE("overlap: other weights may be written, and these may be behind a product") {
  CHECK(!broken([](stream& s) { s.write_others(), s.multiply(); }));
  CHECK(!broken([](stream& s) { s.multiply(), s.write_weights(), s.write_others(); }));
}
