// Imports by CUDA IPC, and NCCL loaded at run time: programs need it only for this. The few of NCCL's functions that are called are
// declared here as its documentation has them (2.x), since its headers may be missing where its library is not.
#pragma once
#include <cstring>
#include <string>

#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include "verbatim/backend/cuda/transfer.hpp"
#include "verbatim/core/error.hpp"

namespace verbatim::cuda {

static_assert(sizeof(cudaIpcMemHandle_t) == sizeof(ipc_handle));

ipc_handle export_memory(void* device_memory) {
  cudaIpcMemHandle_t handle{};
  if (cudaError_t const e = cudaIpcGetMemHandle(&handle, device_memory); e != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    throw error("device", 10, std::string("device memory cannot be exported: ") + cudaGetErrorString(e));
  }
  ipc_handle out;
  std::memcpy(out.data(), &handle, sizeof handle);
  return out;
}

imported_memory::imported_memory(ipc_handle const& from) {
  cudaIpcMemHandle_t handle{};
  std::memcpy(&handle, from.data(), sizeof handle);
  if (cudaError_t const e = cudaIpcOpenMemHandle(&data_, handle, cudaIpcMemLazyEnablePeerAccess); e != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    throw error("device", 10, std::string("device memory of another process cannot be opened: ") + cudaGetErrorString(e));
  }
}
imported_memory::~imported_memory() { cudaIpcCloseMemHandle(data_); }

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
  ~state() {
    if (group) detail::nccl().destroy(group);
    if (stream) cudaStreamDestroy(stream);
  }
};

nccl_group::nccl_group(nccl_id const& from, int rank, int size) : self_(std::make_unique<state>()) {
  detail::nccl_unique_id id{};
  std::memcpy(&id, from.data(), sizeof id);
  if (cudaStreamCreateWithFlags(&self_->stream, cudaStreamNonBlocking) != cudaSuccess) throw error("device", 11, "no stream could be made");
  detail::nccl().check(detail::nccl().init_rank(&self_->group, size, id, rank), "ncclCommInitRank");
}
nccl_group::~nccl_group() = default;

void nccl_group::broadcast(void* data, std::size_t bytes, int root) {
  constexpr int as_bytes = 0;   // ncclInt8
  detail::nccl().check(detail::nccl().broadcast(data, data, bytes, as_bytes, root, self_->group, self_->stream), "ncclBroadcast");
  if (cudaError_t const e = cudaStreamSynchronize(self_->stream); e != cudaSuccess) throw error("device", 11, std::string("ncclBroadcast: ") + cudaGetErrorString(e));
}

}  // namespace verbatim::cuda
