// Weights that reach a GPU from other processes: memory that a trainer on the same GPU exports (CUDA IPC), and NCCL broadcasts. Both
// give a piece of device memory; weights/bucket.hpp makes tensors of it, and engine::refit takes those. Defined in transfer.cuh.
#pragma once
#include <array>
#include <cstddef>
#include <memory>

namespace verbatim::cuda {

using ipc_handle = std::array<std::byte, 64>;   ///< as cudaIpcMemHandle_t
/// The handle of memory that this process has allocated, to be sent to another. Throws device.10.
ipc_handle export_memory(void* device_memory);

/// Another process's memory, mapped while this object lives. It may not be freed over there before.
class imported_memory {
 public:
  /// Throws device.10: the handle is of this very process, of another GPU, or of none.
  explicit imported_memory(ipc_handle const& handle);
  imported_memory(imported_memory const&) = delete;
  ~imported_memory();
  void* data() const noexcept { return data_; }

 private:
  void* data_ = nullptr;
};

using nccl_id = std::array<std::byte, 128>;     ///< as ncclUniqueId
/// Made by one process and given to all. Throws device.11 where NCCL cannot be loaded.
nccl_id make_nccl_id();

/// A communicator over processes. Making it waits for all of them.
class nccl_group {
 public:
  /// Throws device.11.
  nccl_group(nccl_id const& id, int rank, int size);
  nccl_group(nccl_group const&) = delete;
  ~nccl_group();
  /// `root` sends its bytes to all; returns when they are there. Device memory. Throws device.11.
  void broadcast(void* data, std::size_t bytes, int root);

 private:
  struct state;
  std::unique_ptr<state> self_;
};

}  // namespace verbatim::cuda
