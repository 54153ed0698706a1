// Imports by CUDA IPC, and NCCL loaded at run time: programs need it only for this. The few of NCCL's functions that are called are
// declared here as its documentation has them (2.x), since its headers may be missing where its library is not.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include "verbatim/backend/cuda/transfer.hpp"
#include "verbatim/core/error.hpp"

namespace verbatim::cuda {

static_assert(sizeof(cudaIpcMemHandle_t) == sizeof(ipc_memory::allocation));

namespace detail {

[[noreturn]] inline void ipc_failed(char const* what, cudaError_t e) {
  static_cast<void>(cudaGetLastError());
  throw error("device", 10, std::string(what) + cudaGetErrorString(e));
}
/// An allocation of device memory, by any address in it. Known to the driver alone, which the runtime has loaded.
struct allocation {
  std::uintptr_t first = 0;
  std::size_t bytes = 0;
  explicit allocation(void const* p) {
    using function = int (*)(unsigned long long* first, std::size_t* bytes, unsigned long long address);
    static auto* const range_of = [] {
      void* const driver = ::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
      return driver ? reinterpret_cast<function>(::dlsym(driver, "cuMemGetAddressRange_v2")) : nullptr;
    }();
    unsigned long long at = 0;
    if (!range_of || range_of(&at, &bytes, reinterpret_cast<std::uintptr_t>(p)) != 0) throw error("device", 10, "the driver knows no allocation of device memory there");
    first = std::uintptr_t(at);
  }
  bool has(std::uint64_t offset, std::uint64_t count) const noexcept { return offset <= bytes && count <= bytes - offset; }
};

}  // namespace detail

ipc_memory export_memory(void const* data, std::size_t bytes) {
  detail::allocation const whole(data);
  ipc_memory out{.offset = reinterpret_cast<std::uintptr_t>(data) - whole.first, .bytes = bytes};
  if (!whole.has(out.offset, out.bytes)) throw error("device", 10, "the memory to export goes on beyond its allocation");
  cudaIpcMemHandle_t handle{};
  if (cudaError_t const e = cudaIpcGetMemHandle(&handle, reinterpret_cast<void*>(whole.first)); e != cudaSuccess)
    detail::ipc_failed("device memory cannot be exported: ", e);
  std::memcpy(out.allocation.data(), &handle, sizeof handle);
  return out;
}

imported_memory::imported_memory(ipc_memory const& from) : bytes_(from.bytes) {
  cudaIpcMemHandle_t handle{};
  std::memcpy(&handle, from.allocation.data(), sizeof handle);
  if (cudaError_t const e = cudaIpcOpenMemHandle(&base_, handle, cudaIpcMemLazyEnablePeerAccess); e != cudaSuccess)
    detail::ipc_failed("device memory of another process cannot be opened: ", e);
  try {
    detail::allocation const whole(base_);   // what came with the handle is believed only within it
    std::uint64_t const before = reinterpret_cast<std::uintptr_t>(base_) - whole.first;   // small allocations may lie in a larger one
    if (from.offset > whole.bytes || !whole.has(before + from.offset, from.bytes))
      throw error("device", 10, "a piece of another process's memory is not within its allocation");
  } catch (...) {
    cudaIpcCloseMemHandle(base_);
    throw;
  }
  data_ = static_cast<char*>(base_) + from.offset;
}
imported_memory::~imported_memory() { cudaIpcCloseMemHandle(base_); }

namespace detail {

struct nccl_unique_id { char internal[128]; };
static_assert(sizeof(nccl_unique_id) == sizeof(nccl_id));

struct nccl_library {
  using communicator = void*;
  int (*get_unique_id)(nccl_unique_id*) = nullptr;
  int (*init_rank)(communicator*, int size, nccl_unique_id, int rank) = nullptr;
  int (*broadcast)(void const*, void*, std::size_t count, int type, int root, communicator, cudaStream_t) = nullptr;
  int (*destroy)(communicator) = nullptr;
  char const* (*text)(int) = nullptr;

  nccl_library() {
    void* const library = ::dlopen("libnccl.so.2", RTLD_NOW | RTLD_LOCAL);   // never closed: it has threads of its own
    if (!library) throw error("device", 11, "libnccl.so.2 cannot be loaded");
    auto const find = [&](char const* name, auto& f) {
      f = reinterpret_cast<std::remove_reference_t<decltype(f)>>(::dlsym(library, name));
      if (!f) throw error("device", 11, std::string("libnccl.so.2 has no ") + name);
    };
    find("ncclGetUniqueId", get_unique_id), find("ncclCommInitRank", init_rank), find("ncclBroadcast", broadcast);
    find("ncclCommDestroy", destroy), find("ncclGetErrorString", text);
  }
  void check(int result, char const* what) const {
    if (result != 0) throw error("device", 11, std::string(what) + ": " + text(result));
  }
};
inline nccl_library const& nccl() {
  static nccl_library const loaded;
  return loaded;
}

}  // namespace detail

nccl_id make_nccl_id() {
  detail::nccl_unique_id id{};
  detail::nccl().check(detail::nccl().get_unique_id(&id), "ncclGetUniqueId");
  nccl_id out;
  std::memcpy(out.data(), &id, sizeof id);
  return out;
}

struct nccl_group::state {
  detail::nccl_library::communicator group = nullptr;
  cudaStream_t stream = nullptr;
  int device = 0;
  ~state() {
    cudaSetDevice(device);
    if (group) detail::nccl().destroy(group);
    if (stream) cudaStreamDestroy(stream);
  }
};

nccl_group::nccl_group(nccl_id const& from, int rank, int size) : self_(std::make_unique<state>()) {
  detail::nccl_unique_id id{};
  std::memcpy(&id, from.data(), sizeof id);
  if (cudaGetDevice(&self_->device) != cudaSuccess || cudaStreamCreateWithFlags(&self_->stream, cudaStreamNonBlocking) != cudaSuccess)
    throw error("device", 11, "no stream could be made");
  detail::nccl().check(detail::nccl().init_rank(&self_->group, size, id, rank), "ncclCommInitRank");
}
nccl_group::~nccl_group() = default;

void nccl_group::broadcast(void* data, std::size_t bytes, int root) {
  constexpr int as_bytes = 0;   // ncclInt8
  if (cudaError_t const e = cudaSetDevice(self_->device); e != cudaSuccess) throw error("device", 11, std::string("ncclBroadcast: ") + cudaGetErrorString(e));
  detail::nccl().check(detail::nccl().broadcast(data, data, bytes, as_bytes, root, self_->group, self_->stream), "ncclBroadcast");
  if (cudaError_t const e = cudaStreamSynchronize(self_->stream); e != cudaSuccess) throw error("device", 11, std::string("ncclBroadcast: ") + cudaGetErrorString(e));
}

}  // namespace verbatim::cuda
