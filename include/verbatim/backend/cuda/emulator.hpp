// The executor that needs no GPU: device memory is the host's, copies are copies, and kernels run under simt's host executor, which
// throws simt::defect at the first thing a GPU would hide. One kernel after another, on the calling thread.
// An executor is: allocate, release (device memory), stage, unstage (memory that copies read and write), upload, download, copy,
// copy_pieces, launch, replay, wait, settle and select. Only `gpu` (gpu.hpp) does any of this asynchronously.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

#include "verbatim/backend/cuda/launch_log.hpp"
#include "verbatim/simt/host_grid.hpp"
#include "verbatim/simt/host_sm90.hpp"

namespace verbatim::cuda {

class emulator {
 public:
  static void* allocate(std::size_t bytes) {
    void* const p = ::operator new(bytes, std::align_val_t(256));
    std::memset(p, 0, bytes);
    return p;
  }
  static void release(void* p) noexcept { ::operator delete(p, std::align_val_t(256)); }
  static void* stage(std::size_t bytes) { return allocate(bytes); }
  static void unstage(void* p) noexcept { release(p); }

  void upload(void* to, void const* staged, std::size_t bytes) { std::memcpy(to, staged, bytes); }
  void download(void* staged, void const* from, std::size_t bytes) { std::memcpy(staged, from, bytes); }
  void copy(void* to, void const* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
  /// `count` pieces of `bytes`, at multiples of `pitch`.
  void copy_pieces(void* to, void const* from, std::size_t bytes, std::size_t pitch, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) std::memcpy(static_cast<char*>(to) + i * pitch, static_cast<char const*>(from) + i * pitch, bytes);
  }
  template <class Params> void launch(Params const& p) {
    log_.add(p);
    if constexpr (requires { requires Params::needs_sm90; }) simt::launch_sm90(shape_of(p), [&](simt::host_sm90_grid g) { run(g, p); }, ++launches_);
    else simt::launch(shape_of(p), [&](simt::host_grid g) { run(g, p); }, ++launches_);
  }
  /// Runs what f enqueues. The same key: the same launches, or a defect.
  template <class F> void replay(std::uint64_t key, F&& f) {
    log_.begin();
    std::forward<F>(f)();
    log_.end(key);
  }
  void wait() {}
  void settle() {}
  void select() {}
  static constexpr int processors = 4;   ///< few, so that small models split products too

 private:
  launch_log log_;
  std::uint64_t launches_ = 0;   // seeds the order of threads and blocks: no result may depend on it
};

}  // namespace verbatim::cuda
