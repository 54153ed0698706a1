// Weights from device memory on a GPU: another process's memory by CUDA IPC, and a broadcast by NCCL within a group of one.
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "gpu.hpp"
#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/backend/cuda/transfer.hpp"
#include "verbatim/core/error.hpp"

using namespace verbatim;

namespace {

constexpr char const* exporter_test = "gpu: memory for the process that started this one";
constexpr char const* pipes_variable = "VERBATIM_TEST_PIPES";
constexpr int first_int = 300, ints = 1000;   // of the piece, within a larger allocation

/// This program again, with another test: a context does not survive a fork alone. Pipes to and from it.
struct exporter {
  int from = -1, to = -1;
  pid_t process = -1;

  exporter() {
    int up[2], down[2];
    REQUIRE((::pipe(up) == 0 && ::pipe(down) == 0));
    ::setenv(pipes_variable, (std::to_string(up[1]) + " " + std::to_string(down[0])).c_str(), 1);
    process = ::fork();
    if (process == 0) {
      ::close(up[0]), ::close(down[1]);
      ::execl("/proc/self/exe", "cuda_tests", exporter_test, static_cast<char*>(nullptr));
      ::_exit(127);
    }
    ::unsetenv(pipes_variable);
    ::close(up[1]), ::close(down[0]);
    from = up[0], to = down[1];
    REQUIRE(process > 0);
  }
  /// The process's status, once it has been told to end.
  int end() {
    ::close(to), ::close(from);
    int status = -1;
    return ::waitpid(process, &status, 0) == process ? status : -1;
  }
};

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
  char const* const pipes = std::getenv(pipes_variable);
  if (!pipes) return;   // not started by the test below
  char* rest = nullptr;
  int const to = int(std::strtol(pipes, &rest, 10)), from = int(std::strtol(rest, nullptr, 10));
  cuda::gpu device;
  cuda::device_array<cuda::gpu, int> memory(5000);
  cuda::staging_array<cuda::gpu, int> staged(memory.size());
  for (int i = 0; i < int(staged.size()); ++i) staged.data()[i] = 7 * i;
  device.upload(memory.data(), staged.data(), memory.bytes());
  device.wait();
  CHECK_THROWS_AS(cuda::export_memory(staged.data(), 4), error);
  CHECK_THROWS_AS(cuda::export_memory(memory.data(), std::size_t(1) << 40), error);
  auto const piece = cuda::export_memory(memory.data() + first_int, ints * sizeof(int));
  REQUIRE(::write(to, &piece, sizeof piece) == ssize_t(sizeof piece));
  char none;
  CHECK(::read(from, &none, 1) == 0);   // until the other process has closed it
}
TEST_CASE("gpu: memory of another process is imported") {
  if (!have_gpu()) return;
  exporter other;
  cuda::ipc_memory piece;
  REQUIRE(::read(other.from, &piece, sizeof piece) == ssize_t(sizeof piece));
  CHECK((piece.offset >= first_int * sizeof(int) && piece.bytes == ints * sizeof(int)));
  cuda::gpu device;
  {
    cuda::imported_memory const memory(piece);
    cuda::staging_array<cuda::gpu, int> staged(ints);
    device.download(staged.data(), memory.data(), memory.bytes());
    device.wait();
    for (int i = 0; i < ints; ++i) REQUIRE(staged.data()[i] == 7 * (first_int + i));
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
TEST_CASE("gpu: a broadcast") {
  if (!have_gpu()) return;
  cuda::gpu device;
  cuda::device_array<cuda::gpu, int> memory(256);
  try {
    cuda::nccl_group group(cuda::make_nccl_id(), 0, 1);
    group.broadcast(memory.data(), memory.bytes(), 0);
  } catch (error const& e) {
    if (std::string(e.what()).find("cannot be loaded") == std::string::npos) throw;
    skip("NCCL is not installed");
  }
}
