// Weights from device memory on a GPU: another process's memory by CUDA IPC, and a broadcast by NCCL within a group of one.
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "gpu.hpp"
#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/backend/cuda/transfer.hpp"
#include "verbatim/core/error.hpp"

using namespace verbatim;

TEST_CASE("gpu: memory of another process is imported") {
  // The other process must be there before this one has used CUDA: a context does not survive a fork.
  int to_parent[2], to_child[2];
  REQUIRE((::pipe(to_parent) == 0 && ::pipe(to_child) == 0));
  pid_t const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    int status = 1;
    try {
      cuda::gpu device;
      cuda::device_array<cuda::gpu, int> memory(1000);
      cuda::staging_array<cuda::gpu, int> staged(1000);
      for (int i = 0; i < 1000; ++i) staged.data()[i] = 7 * i;
      device.upload(memory.data(), staged.data(), 4000);
      device.wait();
      auto const handle = cuda::export_memory(memory.data());
      char wait = 0;
      if (::write(to_parent[1], handle.data(), handle.size()) == ssize_t(handle.size()) && ::read(to_child[0], &wait, 1) == 1) status = 0;
    } catch (error const&) {
      ::close(to_parent[1]);
    }
    ::_exit(status);
  }
  ::close(to_parent[1]);
  cuda::ipc_handle handle;
  bool const sent = ::read(to_parent[0], handle.data(), handle.size()) == ssize_t(handle.size());
  if (have_gpu()) {
    REQUIRE(sent);
    cuda::gpu device;
    cuda::imported_memory const memory(handle);
    cuda::staging_array<cuda::gpu, int> staged(1000);
    device.download(staged.data(), memory.data(), 4000);
    device.wait();
    for (int i = 0; i < 1000; ++i) REQUIRE(staged.data()[i] == 7 * i);
  }
  char const go = 1;
  if (sent) CHECK(::write(to_child[1], &go, 1) == 1);
  ::close(to_child[1]), ::close(to_child[0]), ::close(to_parent[0]);
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child);
  CHECK((!sent || status == 0));
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
