// Weights that reach a GPU from other processes: memory that a trainer on the same GPU exports (CUDA IPC), and NCCL broadcasts. Both
// give a piece of device memory; weights/bucket.hpp makes tensors of it, and engine::refit takes those. Defined in transfer.cuh.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace verbatim::cuda {

/// A piece of device memory as another process can open it: plain data, to be sent there. Handles are of whole allocations, of which
/// frameworks cut their tensors.
struct ipc_memory {
  std::array<std::byte, 64> allocation{};   ///< as cudaIpcMemHandle_t
  std::uint64_t offset = 0, bytes = 0;      ///< of the piece within the allocation
};
/// Memory that this process has allocated, wherever in an allocation it begins. Throws device.10, also where the piece is not within one.
ipc_memory export_memory(void const* data, std::size_t bytes);

/// Another process's memory, on the current device, mapped while this object lives. It may not be freed over there before.
class imported_memory {
 public:
  /// Throws device.10: the handle is of this very process, of another GPU, or of none, or the piece is not within its allocation.
  explicit imported_memory(ipc_memory const& from);
  imported_memory(imported_memory const&) = delete;
  ~imported_memory();
  void* data() const noexcept { return data_; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  void *base_ = nullptr, *data_ = nullptr;
  std::size_t bytes_ = 0;
};

using nccl_id = std::array<std::byte, 128>;     ///< as ncclUniqueId
/// Made by one process and given to all. Throws device.11 where NCCL cannot be loaded.
nccl_id make_nccl_id();

/// A communicator over processes, on the device that is current where it is made. Making it waits for all of them.
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
