// Weights through the staging areas, under the emulator: the values, and that one area is filled while the other is uploaded. The
// emulator itself finds an area that is written before its upload was waited for.
#include "verbatim/backend/cuda/weight_store.hpp"

#include <string>
#include <vector>

#include "catch.hpp"
#include "verbatim/backend/cuda/emulator.hpp"

using namespace verbatim;

namespace {

struct lost {};

/// The emulator, and what it was asked for; it may fail in the wait for a mark.
struct watched : cuda::emulator {
  std::vector<std::string> log;
  int waits_left = 1000;

  void upload(void* to, void const* staged, std::size_t bytes) {
    log.push_back("upload");
    emulator::upload(to, staged, bytes);
  }
  void mark(int which) {
    log.push_back("mark " + std::to_string(which));
    emulator::mark(which);
  }
  void wait(int which) {
    log.push_back("wait " + std::to_string(which));
    if (waits_left-- == 0) throw lost{};
    emulator::wait(which);
  }
  void wait() {
    log.push_back("wait");
    emulator::wait();
  }
};

constexpr std::size_t piece = std::size_t(1) << 16;
using small_store = cuda::weight_store<watched, piece>;
std::vector<std::string> const by_turns{"wait 2", "upload", "mark 2", "wait 3", "upload", "mark 3", "wait 2", "upload", "mark 2", "wait"};

float some(std::size_t i) { return float(i * 37 % 1013) / 64 - 7.3f; }

template <class T> std::vector<T> some_values(std::size_t count) {
  std::vector<T> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(from_float<T>(some(i)));
  return out;
}

tensor tensor_of(dtype type, std::size_t rows, std::size_t columns, void const* data) {
  return {"t", type, {{std::int64_t(rows), std::int64_t(columns)}, 2}, data};
}

}  // namespace

TEST_CASE("weight_store: one area is filled while the other is uploaded") {
  watched device;
  small_store store(device);
  std::size_t const count = piece / sizeof(bf16) * 5 / 2;   // two pieces and a half
  cuda::device_array<watched, bf16> const to(count);
  auto const wide = some_values<float>(count);
  store.convert(to.data(), tensor_of(dtype::f32, 1, count, wide.data()), count);
  CHECK(device.log == by_turns);
  auto const narrow = some_values<bf16>(count);
  CHECK((std::vector<bf16>(to.data(), to.data() + count) == narrow));

  auto same = narrow;   // of one type nothing is converted: also what is no number stays as it is
  same[1].bits = 0x7f81, same[count - 1].bits = 0xff82;
  store.convert(to.data(), tensor_of(dtype::bf16, 1, count, same.data()), count);
  CHECK((std::vector<bf16>(to.data(), to.data() + count) == same));

  std::size_t const few = piece / sizeof(float) * 5 / 2;
  cuda::device_array<watched, float> const floats(few);
  device.log.clear();
  store.write(floats.data(), wide.data(), few);
  std::size_t const turns = std::size_t(std::count(device.log.begin(), device.log.end(), "wait"));
  CHECK((device.log.size() == by_turns.size() && turns == 1));
  CHECK((std::vector<float>(floats.data(), floats.data() + few) == std::vector<float>(wide.begin(), wide.begin() + std::ptrdiff_t(few))));
  store.widen<bf16>(floats.data(), tensor_of(dtype::f32, 1, few, wide.data()), few);
  bool rounded = true;
  for (std::size_t i = 0; i < few; ++i) rounded = rounded && floats.data()[i] == to_float(narrow[i]);
  CHECK(rounded);
  std::vector<float> back(few);   // through the area that an upload used last
  store.read(back.data(), static_cast<float const*>(floats.data()), few);
  CHECK((back == std::vector<float>(floats.data(), floats.data() + few)));
}

TEST_CASE("weight_store: tiles of a tensor in pieces, one upload behind the other") {
  watched device;
  small_store store(device);
  int const k = 256, rows = int(piece / sizeof(bf16)) / k * 5 / 2;
  cuda::device_matrix<watched, bf16, true> matrix(&rows, 1, k);
  std::size_t const count = std::size_t(rows) * std::size_t(k);
  auto const values = some_values<bf16>(count);
  store.load_tiles(matrix, 0, tensor_of(dtype::bf16, std::size_t(rows), std::size_t(k), values.data()));
  auto log = device.log;
  REQUIRE(!log.empty());
  CHECK(log.front() == "wait");   // for the room that tiles are made from
  log.erase(log.begin());
  CHECK(log == by_turns);
  std::vector<bf16> row(static_cast<std::size_t>(k));
  for (int r : {0, 1, rows / 2, rows - 1}) {
    CAPTURE(r);
    store.read_tiles(row.data(), matrix, 0, r);
    CHECK((row == std::vector<bf16>(values.begin() + std::ptrdiff_t(r) * k, values.begin() + std::ptrdiff_t(r + 1) * k)));
  }
}

TEST_CASE("weight_store: where a wait fails, nothing reads the areas any more when that is told") {
  watched device;
  small_store store(device);
  std::size_t const count = piece / sizeof(float) * 4;
  cuda::device_array<watched, float> const to(count);
  auto const values = some_values<float>(count);
  device.waits_left = 2;
  CHECK_THROWS_AS(store.write(to.data(), values.data(), count), lost);
  CHECK(device.log == std::vector<std::string>{"wait 2", "upload", "mark 2", "wait 3", "upload", "mark 3", "wait 2", "wait"});
  CHECK(to.data()[piece / sizeof(float)] == values[piece / sizeof(float)]);
}
