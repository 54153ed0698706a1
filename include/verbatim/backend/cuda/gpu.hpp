// The executor that is a GPU: one stream of the device that is the thread's current one at construction. This header needs no CUDA: the
// members are defined in gpu.cuh and the kernels in kernels_*.cuh, which nvcc compiles once for a program (verbatim_cuda_kernels).
// Cost: allocate synchronises, and happens at construction alone; upload, launch and replay enqueue, except that a shape of step that
// is new or comes for the second time allocates, and may wait (recorded_graphs.hpp); wait waits for the stream, or for what a mark
// remembers of it.
// Failures are an executor's own: wait() throws its first one, and then every later wait does. A call that fails concerns no other
// executor; a kernel that fails loses the process its context of the device, and then the next wait of each executor there throws.
// Threads: one at a time an executor, whichever; a call makes the executor's device the thread's current one, and leaves it so.
#pragma once
#include <cstddef>
#include <memory>
#include <string>

#include "verbatim/backend/cuda/recorded_graphs.hpp"

namespace verbatim::cuda {

/// Enqueues one kernel on a stream of the current device, whose ordinal is given too; a cudaError_t. Instantiated in kernels_*.cuh for
/// what those list. What is missing there is missing when the program is linked.
template <class Params> int enqueue(void* stream, int device, Params const& p) noexcept;

class gpu {
 public:
  /// Throws device.5 (no device) and .6 (another compute capability).
  gpu();
  gpu(gpu const&) = delete;
  ~gpu();

  static void* allocate(std::size_t bytes);   ///< zeroed, of the current device; throws device.7 where memory is short
  static void release(void* p) noexcept;
  static void* stage(std::size_t bytes);      ///< pinned, zeroed
  static void unstage(void* p) noexcept;

  void upload(void* to, void const* staged, std::size_t bytes) noexcept;
  void download(void* staged, void const* from, std::size_t bytes) noexcept;
  void copy(void* to, void const* from, std::size_t bytes) noexcept;   ///< between places of the device
  template <class Params> void launch(Params const& p) noexcept {
    select();
    note(enqueue(stream_.get(), device_, p));
  }
  /// Runs what f enqueues, launches alone. The same key: the same launches, as a graph from the second time on, where there can be one.
  template <class F> void replay(graph_key const& key, F&& f) { graphs_.replay(*this, key, f); }
  /// Remembers what has been enqueued so far as `which` (0 and 1 are a backend's steps, 2 and 3 its weight store's), for wait(which).
  void mark(int which) noexcept;
  void wait(int which);
  void wait();
  void* stream() const noexcept { return stream_.get(); }   ///< for events of one's own
  /// Waits for all work of the device, of whatever stream.
  void settle() noexcept;
  void select() noexcept;   ///< makes the executor's device the thread's current one
  int device() const noexcept { return device_; }
  /// Bytes of the current device that are free. Throws device.5.
  static std::size_t free_memory();
  static constexpr int processors = 132;   ///< of an H100 or H200: how work is cut, not what it gives
  struct event_end {
    void operator()(void* event) const noexcept;
  };
  using event = std::unique_ptr<void, event_end>;   ///< a cudaEvent_t

 private:
  struct stream_end {
    void operator()(void* stream) const noexcept;
  };
  struct graph_end {
    void operator()(void* executable) const noexcept;
  };
  using graph = std::unique_ptr<void, graph_end>;
  friend class recorded_graphs<graph>;
  bool start_recording() noexcept;
  graph finish_recording() noexcept;   ///< none: no room for it, a launch failed, or somebody waited for all streams of the device
  void run_graph(graph const& g) noexcept;
  void drain() noexcept;
  void note(int error) noexcept;   ///< a cudaError_t: the first one is kept

  void throw_failure();

  int device_ = 0, failure_ = 0, failure_before_ = 0;   // the last: of when recording began, whose own failures are none
  std::unique_ptr<void, stream_end> stream_;
  event marks_[4];
  recorded_graphs<graph> graphs_;
};

/// What a device is called and has, for records.
struct gpu_properties {
  std::string name{};
  int capability_major = 0, capability_minor = 0, processors = 0, driver = 0, runtime = 0;
  std::size_t memory = 0, l2 = 0;
};
/// Devices that programs may use here; 0 also where there is no driver, or where it fails.
int gpu_count() noexcept;
/// Why gpu_count() gives 0, in the driver's words: "cudaErrorInsufficientDriver: …"; empty where devices were counted and there are some.
std::string why_no_gpu();
/// Of the current device. Throws device.5.
gpu_properties properties_of_gpu();

}  // namespace verbatim::cuda
