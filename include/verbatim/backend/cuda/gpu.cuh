// The members of cuda::gpu, over the CUDA runtime. Include this in one translation unit of a program (verbatim_cuda_kernels does).
#pragma once
#include <cuda_runtime_api.h>

#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/core/error.hpp"

namespace verbatim::cuda {

namespace detail {
inline cudaStream_t stream_of(void* s) noexcept { return static_cast<cudaStream_t>(s); }
inline cudaEvent_t event_of(void* e) noexcept { return static_cast<cudaEvent_t>(e); }
inline std::string why(cudaError_t e) { return std::string(cudaGetErrorName(e)) + ": " + cudaGetErrorString(e); }
}  // namespace detail

int gpu_count() noexcept {
  int n = 0;
  if (cudaGetDeviceCount(&n) == cudaSuccess) return n;
  static_cast<void>(cudaGetLastError());   // no driver, no device: not a failure of anything that was asked for
  return 0;
}

gpu_properties properties_of_gpu() {
  int device = 0;
  cudaDeviceProp p{};
  cudaError_t e = cudaGetDevice(&device);
  if (e == cudaSuccess) e = cudaGetDeviceProperties(&p, device);
  if (e != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    throw error("device", 5, "no CUDA device can be used: " + detail::why(e));
  }
  gpu_properties out{.name = p.name, .capability_major = p.major, .capability_minor = p.minor, .processors = p.multiProcessorCount, .memory = p.totalGlobalMem, .l2 = std::size_t(p.l2CacheSize)};
  note(cudaDriverGetVersion(&out.driver));
  note(cudaRuntimeGetVersion(&out.runtime));
  return out;
}

gpu::gpu() {
  auto const p = properties_of_gpu();
  if (p.capability_major != 9 || p.capability_minor != 0)
    throw error("device", 6, p.name + " has compute capability " + std::to_string(p.capability_major) + "." + std::to_string(p.capability_minor) + "; the kernels are compiled for 9.0");
  cudaStream_t stream = nullptr;
  note(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  stream_ = stream;
  for (void*& mark : marks_) {
    cudaEvent_t e = nullptr;
    note(cudaEventCreateWithFlags(&e, cudaEventDisableTiming));
    mark = e;
  }
  wait();
}
gpu::~gpu() {
  cudaStreamSynchronize(detail::stream_of(stream_));
  for (auto const& [key, graph] : graphs_)
    if (graph) cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
  for (void* mark : marks_)
    if (mark) cudaEventDestroy(detail::event_of(mark));
  if (stream_) cudaStreamDestroy(detail::stream_of(stream_));
}

void* gpu::allocate(std::size_t bytes) {
  void* p = nullptr;
  cudaError_t e = cudaMalloc(&p, bytes);
  if (e == cudaSuccess) e = cudaMemset(p, 0, bytes);
  if (e == cudaSuccess) e = cudaDeviceSynchronize();   // the stream of kernels does not wait for the stream of this memset
  if (e == cudaSuccess) return p;
  static_cast<void>(cudaGetLastError());
  if (p) cudaFree(p);
  throw error("device", 7, std::to_string(bytes) + " bytes of device memory: " + detail::why(e));
}
void gpu::release(void* p) noexcept { cudaFree(p); }
void* gpu::stage(std::size_t bytes) {
  void* p = nullptr;
  cudaError_t const e = cudaHostAlloc(&p, bytes, cudaHostAllocDefault);
  if (e != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    throw error("device", 7, std::to_string(bytes) + " bytes of pinned host memory: " + detail::why(e));
  }
  __builtin_memset(p, 0, bytes);
  return p;
}
void gpu::unstage(void* p) noexcept { cudaFreeHost(p); }

void gpu::upload(void* to, void const* staged, std::size_t bytes) noexcept { note(cudaMemcpyAsync(to, staged, bytes, cudaMemcpyHostToDevice, detail::stream_of(stream_))); }
void gpu::download(void* staged, void const* from, std::size_t bytes) noexcept { note(cudaMemcpyAsync(staged, from, bytes, cudaMemcpyDeviceToHost, detail::stream_of(stream_))); }
void gpu::copy(void* to, void const* from, std::size_t bytes) noexcept { note(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, detail::stream_of(stream_))); }
void gpu::copy_pieces(void* to, void const* from, std::size_t bytes, std::size_t pitch, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i)   // not as one copy of two dimensions: its pitch may not reach 2 GiB
    copy(static_cast<char*>(to) + i * pitch, static_cast<char const*>(from) + i * pitch, bytes);
}

void gpu::start_recording() noexcept { note(cudaStreamBeginCapture(detail::stream_of(stream_), cudaStreamCaptureModeThreadLocal)); }
void* gpu::finish_recording() noexcept {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  cudaError_t e = cudaStreamEndCapture(detail::stream_of(stream_), &graph);
  if (e == cudaSuccess) e = cudaGraphInstantiate(&executable, graph, 0);
  if (graph) cudaGraphDestroy(graph);
  if (e == cudaSuccess) return executable;
  static_cast<void>(cudaGetLastError());
  records_ = false;
  return nullptr;
}
void gpu::run_graph(void* graph) noexcept {
  if (graph) note(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), detail::stream_of(stream_)));
}

void gpu::settle() { note(cudaDeviceSynchronize()); }
std::size_t gpu::free_memory() {
  std::size_t free = 0, all = 0;
  if (cudaError_t const e = cudaMemGetInfo(&free, &all); e != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    throw error("device", 5, "no CUDA device can be used: " + detail::why(e));
  }
  return free;
}
void gpu::mark(int which) noexcept { note(cudaEventRecord(detail::event_of(marks_[which]), detail::stream_of(stream_))); }
void gpu::wait(int which) {
  note(cudaEventSynchronize(detail::event_of(marks_[which])));
  throw_failure();
}
void gpu::wait() {
  note(cudaStreamSynchronize(detail::stream_of(stream_)));
  throw_failure();
}
void gpu::throw_failure() {
  note(cudaGetLastError());
  if (first_failure() != cudaSuccess) throw error("device", 4, "the device failed: " + detail::why(first_failure()));
}

}  // namespace verbatim::cuda
