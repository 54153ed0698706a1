// What brings weights to a GPU: another process's memory by CUDA IPC, and broadcasts by NCCL; between two GPUs where there are two.
#include "other_process.hpp"
#include "verbatim/backend/cuda/memory.hpp"

using namespace verbatim;

namespace {

constexpr char const *exporter_test = "gpu: memory for the process that started this one", *member_test = "gpu: a broadcast from the process that started this one";
constexpr int first_int = 300, ints = 1000;   // of the piece, within a larger allocation

/// ints in device memory: 7, 14, 21 ..., or zeros.
cuda::device_array<cuda::gpu, int> some_memory(cuda::gpu& device, int count, bool filled) {
  cuda::device_array<cuda::gpu, int> memory{std::size_t(count)};
  cuda::staging_array<cuda::gpu, int> staged(memory.size());
  for (int i = 0; i < count; ++i) staged.data()[i] = filled ? 7 * (i + 1) : 0;
  device.upload(memory.data(), staged.data(), memory.bytes());
  device.wait();
  return memory;
}
/// How many of them are not those, from `first` on.
int different(cuda::gpu& device, int const* memory, int count, int first = 0) {
  cuda::staging_array<cuda::gpu, int> staged{std::size_t(count)};
  device.download(staged.data(), memory, std::size_t(count) * sizeof(int));
  device.wait();
  int n = 0;
  for (int i = 0; i < count; ++i) n += staged.data()[i] != 7 * (first + i + 1);
  return n;
}

std::string refused(cuda::ipc_memory const& piece) {
  try {
    cuda::imported_memory const memory(piece);
    return "";
  } catch (error const& e) {
    CHECK((std::string(e.area()) == "device" && e.number() == 10));
    return e.what();
  }
}

}  // namespace

TEST_CASE("gpu: memory for the process that started this one", "[.]") {
  other_process::pipes starter;
  if (!other_process::was_started(starter)) return;   // not by the test below
  cuda::gpu device;
  auto const memory = some_memory(device, 5000, true);
  cuda::staging_array<cuda::gpu, int> staged(1);
  CHECK_THROWS_AS(cuda::export_memory(staged.data(), 4), error);
  CHECK_THROWS_AS(cuda::export_memory(memory.data(), std::size_t(1) << 40), error);
  starter.send(cuda::export_memory(memory.data() + first_int, ints * sizeof(int)));
  starter.wait();
}
TEST_CASE("gpu: memory of another process is imported") {
  if (!have_gpu()) return;
  other_process::child other(exporter_test);
  auto const piece = other.receive<cuda::ipc_memory>();
  CHECK((piece.offset >= first_int * sizeof(int) && piece.bytes == ints * sizeof(int)));
  cuda::gpu device;
  {
    cuda::imported_memory const memory(piece);
    CHECK(memory.bytes() == piece.bytes);
    CHECK(different(device, static_cast<int const*>(memory.data()), ints, first_int) == 0);
  }
  for (std::uint64_t huge : {std::uint64_t(1) << 40, ~std::uint64_t(0), ~std::uint64_t(0) - piece.offset + 1}) {
    auto wrong = piece;
    wrong.offset = huge;
    CHECK_FALSE(refused(wrong).empty());
    wrong = piece, wrong.bytes = huge;
    CHECK_FALSE(refused(wrong).empty());
  }
  auto wrong = piece;
  wrong.allocation.fill(std::byte(0x5a));
  CHECK_FALSE(refused(wrong).empty());
  CHECK(other.end() == 0);
}
TEST_CASE("gpu: a broadcast within a group of one returns, and leaves what it sends as it is (a smoke test)") {
  cuda::nccl_id id;
  if (!have_gpu() || !other_process::have_nccl(id)) return;
  cuda::gpu device;
  auto const memory = some_memory(device, 5000, true);
  cuda::nccl_group group(id, 0, 1);
  group.broadcast(memory.data(), memory.bytes(), 0);
  CHECK(different(device, memory.data(), 5000) == 0);
}
TEST_CASE("gpu: a broadcast from the process that started this one", "[.]") {
  other_process::pipes starter;
  if (!other_process::was_started(starter)) return;   // not by the test below
  cuda::gpu device;
  auto const memory = some_memory(device, 5000, false);
  CHECK(different(device, memory.data(), 5000) == 5000);
  cuda::nccl_group group(starter.receive<cuda::nccl_id>(), 1, 2);
  group.broadcast(memory.data(), memory.bytes(), 0);
  CHECK(different(device, memory.data(), 5000) == 0);
}
TEST_CASE("gpu: a broadcast reaches another process, on another GPU") {
  cuda::nccl_id id;
  if (!have_gpu() || !other_process::have_nccl(id)) return;
  auto const second = other_process::second_device();
  if (second.empty()) return skip("there is one GPU: no broadcast went from one to another");
  other_process::child other(member_test, second.c_str());
  other.send(id);
  cuda::gpu device;
  auto const memory = some_memory(device, 5000, true);
  cuda::nccl_group group(id, 0, 2);
  group.broadcast(memory.data(), memory.bytes(), 0);
  CHECK(other.end() == 0);
}
