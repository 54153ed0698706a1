// The members of cuda::gpu, over the CUDA runtime. Include this in one translation unit of a program (verbatim_cuda_kernels does).
#pragma once
#include <mutex>
#include <shared_mutex>

#include <cuda_runtime_api.h>

#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/core/error.hpp"

namespace verbatim::cuda {

namespace detail {
inline cudaStream_t stream_of(void* s) noexcept { return static_cast<cudaStream_t>(s); }
inline cudaEvent_t event_of(void* e) noexcept { return static_cast<cudaEvent_t>(e); }
inline std::string why(cudaError_t e) {
  return std::string(cudaGetErrorName(e)) + ": " + cudaGetErrorString(e) + (e == cudaErrorInsufficientDriver ? ", or there is none" : "");
}
/// Held by who records, and alone by who waits for a whole device: that would end recordings of every stream of it.
inline std::shared_mutex& recording() noexcept {
  static std::shared_mutex mutex;
  return mutex;
}
}  // namespace detail

namespace detail {
inline cudaError_t count_gpus(int& n) noexcept {
  cudaError_t const e = cudaGetDeviceCount(&n);
  if (e == cudaSuccess) return e;
  static_cast<void>(cudaGetLastError());   // no driver, no device: not a failure of anything that was asked for
  n = 0;
  return e;
}
}  // namespace detail

int gpu_count() noexcept {
  int n = 0;
  static_cast<void>(detail::count_gpus(n));
  return n;
}
std::string why_no_gpu() {
  int n = 0;
  cudaError_t const e = detail::count_gpus(n);
  return e != cudaSuccess ? detail::why(e) : n == 0 ? "the driver counts no device" : "";
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
  gpu_properties out{.name = p.name, .capability_major = p.major, .capability_minor = p.minor, .processors = p.multiProcessorCount, .memory = p.totalGlobalMem,
                     .l2 = std::size_t(p.l2CacheSize)};
  static_cast<void>(cudaDriverGetVersion(&out.driver));
  static_cast<void>(cudaRuntimeGetVersion(&out.runtime));
  return out;
}

gpu::gpu() {
  auto const p = properties_of_gpu();
  if (p.capability_major != 9 || p.capability_minor != 0)
    throw error("device", 6, p.name + " has compute capability " + std::to_string(p.capability_major) + "." + std::to_string(p.capability_minor) +
                "; the kernels are compiled for 9.0");
  note(cudaGetDevice(&device_));
  cudaStream_t stream = nullptr;
  note(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  stream_.reset(stream);
  for (auto& mark : marks_) {
    cudaEvent_t e = nullptr;
    note(cudaEventCreateWithFlags(&e, cudaEventDisableTiming));
    mark.reset(e);
  }
  wait();
}
gpu::~gpu() { drain(); }   // and makes the device current, of which the rest is
void gpu::stream_end::operator()(void* stream) const noexcept { cudaStreamDestroy(detail::stream_of(stream)); }
void gpu::event_end::operator()(void* event) const noexcept { cudaEventDestroy(detail::event_of(event)); }
void gpu::graph_end::operator()(void* executable) const noexcept { cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(executable)); }

void* gpu::allocate(std::size_t bytes) {
  void* p = nullptr;
  cudaError_t e = cudaMalloc(&p, bytes);
  if (e == cudaSuccess) e = cudaMemsetAsync(p, 0, bytes, cudaStreamPerThread);
  if (e == cudaSuccess) e = cudaStreamSynchronize(cudaStreamPerThread);   // the stream of kernels waits for no other, and other threads may be recording
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

void gpu::select() noexcept { note(cudaSetDevice(device_)); }
void gpu::note(int error) noexcept {
  if (error == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());   // it is known here, and not an error of who calls CUDA next on this thread
  if (failure_ == cudaSuccess) failure_ = error;
}
void gpu::upload(void* to, void const* staged, std::size_t bytes) noexcept {
  select();
  note(cudaMemcpyAsync(to, staged, bytes, cudaMemcpyHostToDevice, detail::stream_of(stream_.get())));
}
void gpu::download(void* staged, void const* from, std::size_t bytes) noexcept {
  select();
  note(cudaMemcpyAsync(staged, from, bytes, cudaMemcpyDeviceToHost, detail::stream_of(stream_.get())));
}
void gpu::copy(void* to, void const* from, std::size_t bytes) noexcept {
  select();
  note(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, detail::stream_of(stream_.get())));
}

// Thread-local: what other threads call meanwhile, an allocation say, does not end the recording; waiting for the device would.
bool gpu::start_recording() noexcept {
  select();
  failure_before_ = failure_;
  detail::recording().lock_shared();
  if (cudaStreamBeginCapture(detail::stream_of(stream_.get()), cudaStreamCaptureModeThreadLocal) == cudaSuccess) return true;
  detail::recording().unlock_shared();
  static_cast<void>(cudaGetLastError());   // the launches go on without a recording: what ails the device, they will meet
  return false;
}
gpu::graph gpu::finish_recording() noexcept {
  cudaGraph_t recorded = nullptr;
  cudaGraphExec_t executable = nullptr;
  cudaError_t e = cudaStreamEndCapture(detail::stream_of(stream_.get()), &recorded);
  detail::recording().unlock_shared();
  bool const whole = failure_ == failure_before_;   // a call that fails need not end the recording: it is missing there
  if (e == cudaSuccess && whole) e = cudaGraphInstantiate(&executable, recorded, 0);
  if (recorded) cudaGraphDestroy(recorded);
  if (e == cudaSuccess && whole) return graph(executable);
  static_cast<void>(cudaGetLastError());
  failure_ = failure_before_;
  return {};
}
void gpu::run_graph(graph const& g) noexcept {
  select();
  note(cudaGraphLaunch(static_cast<cudaGraphExec_t>(g.get()), detail::stream_of(stream_.get())));
}
void gpu::drain() noexcept {
  select();
  note(cudaStreamSynchronize(detail::stream_of(stream_.get())));
}

void gpu::settle() noexcept {
  std::unique_lock const nobody_records(detail::recording());
  select();
  note(cudaDeviceSynchronize());
}
std::size_t gpu::free_memory() {
  std::size_t free = 0, all = 0;
  if (cudaError_t const e = cudaMemGetInfo(&free, &all); e != cudaSuccess) {
    static_cast<void>(cudaGetLastError());
    throw error("device", 5, "no CUDA device can be used: " + detail::why(e));
  }
  return free;
}
void gpu::mark(int which) noexcept {
  select();
  note(cudaEventRecord(detail::event_of(marks_[which].get()), detail::stream_of(stream_.get())));
}
void gpu::wait(int which) {
  select();
  note(cudaEventSynchronize(detail::event_of(marks_[which].get())));
  throw_failure();
}
void gpu::wait() {
  drain();
  throw_failure();
}
void gpu::throw_failure() {
  if (failure_ != cudaSuccess) throw error("device", 4, "the device failed: " + detail::why(cudaError_t(failure_)));
}

}  // namespace verbatim::cuda
