// The executor without graphs finds what a graph would hide: under one key always the same launches.
#include <stdexcept>

#include "catch.hpp"
#include "verbatim/backend/cuda/emulator.hpp"
#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/kernel/rowwise.hpp"

using namespace verbatim;

TEST_CASE("replay: a key stands for the same kernels with the same parameters") {
  cuda::emulator device;
  cuda::device_array<cuda::emulator, float> x(64), y(64);
  kernel::add_params<float> const add{x, y, 4, 16};
  auto const replayed = [&](int key, auto const&... launches) {
    try {
      device.replay({key}, [&] { (device.launch(launches), ...); });
      return true;
    } catch (simt::defect const& d) {
      CHECK(d.what_kind == simt::defect::kind::bad_launch);
      return false;
    }
  };
  for (int i = 0; i < 3; ++i) CHECK(replayed(1, add, add));
  CHECK(replayed(2, add));
  CHECK_FALSE(replayed(1, add));
  CHECK_FALSE(replayed(1, add, add, add));
  CHECK_FALSE(replayed(2, kernel::silu_mul_params<float>{x, y, 4, 8}));
#if __has_builtin(__builtin_clear_padding)
  CHECK_FALSE(replayed(2, kernel::add_params<float>{x, y, 3, 16}));
  CHECK_FALSE(replayed(2, kernel::add_params<float>{x, x, 4, 16}));
#endif
  CHECK(replayed(2, add));
  device.launch(add);   // under no key: whatever
  CHECK(replayed(2, add));
}

TEST_CASE("replay: an exception leaves nothing recorded, and nothing being recorded") {
  cuda::emulator device;
  cuda::device_array<cuda::emulator, float> x(64), y(64);
  y.data()[0] = 1;
  kernel::add_params<float> const add{x, y, 4, 16};
  CHECK_THROWS_AS(device.replay({1}, [&] {
    device.launch(add);
    throw std::runtime_error("midway");
  }), std::runtime_error);
  device.launch(add);   // runs, and under no key
  device.wait();
  CHECK(x.data()[0] == 1);
  for (int i = 0; i < 2; ++i) device.replay({1}, [&] { device.launch(add), device.launch(add); });
  device.wait();
  CHECK(x.data()[0] == 5);
}
