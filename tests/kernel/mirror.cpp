// The mirror that tests launch kernels on a GPU through, over the emulator, whose memory is another than the tests' too as far as a mirror
// knows: results come back to where they belong, nothing else changes, and what is written beside them is found.
#include "launches.hpp"
#include "mirror.hpp"
#include "verbatim/kernel/sm90/linear.hpp"
#include "verbatim/backend/cuda/emulator.hpp"
#include "verbatim/kernel/rowwise.hpp"

using namespace verbatim;
using namespace verbatim::kernel;
using namespace kernel_tests;

TEST_CASE("mirror: a launch there is a launch here, of whole allocations and of parts") {
  mirror<cuda::emulator> there(1 << 20);
  auto x = random_values<float>(4 * 16, 1), y = random_values<float>(4 * 16, 2), beside = random_values<float>(4 * 16, 3);
  auto const x_before = x, y_before = y, beside_before = beside;
  there.launch(add_params<float>{x, y, 4, 16});
  CHECK(there.guards_hold());
  CHECK((x.values == x_before.values && y.values == y_before.values));
  int seen = 0;
  auto expected = x;
  on_host(add_params<float>{expected, y, 4, 16}, 1);
  there.each_result([&](std::uintptr_t first, void const* left, std::size_t bytes) {
    auto const& wanted = first == reinterpret_cast<std::uintptr_t>(x.data()) ? expected : y;
    CHECK((bytes == wanted.size * sizeof(float) && std::memcmp(left, wanted.values.data(), bytes) == 0));
    ++seen;
  });
  CHECK(seen == 2);
  launch_on(there, add_params<float>{{x.data() + 16, 32}, {y.data() + 32, 32}, 2, 16}, 1);   // rows 1 and 2, and 2 and 3
  for (std::size_t i = 0; i < x.size; ++i) CHECK(x[i] == x_before.values[i] + (i >= 16 && i < 48 ? y[i + 16] : 0));
  CHECK((y.values == y_before.values && beside.values == beside_before.values));
}

TEST_CASE("mirror: what is written beside an allocation is found, and what differs is not the same") {
  mirror<cuda::emulator> there(1 << 20);
  memory<float> x(2 * 16, 1.0f), y(4 * 16, 1.0f);
  there.launch(add_params<float>{{x.data(), 4 * 16}, y, 4, 16});   // twice as much as there is
  CHECK_FALSE(there.guards_hold());
  CHECK_THROWS_AS(mirror<cuda::emulator>(256).launch(add_params<float>{y, y, 4, 16}), std::length_error);
  float const nan = std::nanf(""), other = -nan;
  CHECK((same_element(nan, other) && !same_element(0.0f, -0.0f) && !same_element(1.0f, nan)));
  CHECK((same_element(bf16{0x7fc0}, bf16{0xffc0}) && !same_element(bf16{0}, bf16{0x8000})));
  CHECK((on_tensor_cores<sm90::linear<float, 8, 1>> && on_tensor_cores<mma_row_attention<64, 4>> && !on_tensor_cores<add_params<float>>));
}
