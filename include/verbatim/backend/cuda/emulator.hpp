// The executor that needs no GPU: device memory is the host's, copies are copies, and kernels run under simt's host executor, which
// throws simt::defect at the first thing a GPU would hide. One kernel after another, on the calling thread.
// An executor is: allocate, release (device memory), stage, unstage (memory that copies read and write), upload, download, copy,
// launch, replay, mark, wait, settle and select. Work is enqueued, in one order, and is done once it was waited for. Here it runs no
// sooner than that, and as a graph a second time, so what a host may not rely on fails: what is still to be downloaded is garbage until
// then, staged memory that changes before its upload has run is a defect, and a replay launches what was recorded. Launches overlap on a
// GPU until a copy or a wait: a product that asks for weights which a launch has stored is a defect, too (launch.cuh), unless a copy
// stands between the two or the product was enqueued after a wait for the other. That work runs here only in a wait changes nothing of it.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <new>
#include <utility>
#include <vector>

#include "verbatim/backend/cuda/launch_log.hpp"
#include "verbatim/simt/host_grid.hpp"
#include "verbatim/simt/host_sm90.hpp"

namespace verbatim::cuda {

class emulator {
 public:
  emulator() = default;
  emulator(emulator const&) = delete;

  static void* allocate(std::size_t bytes) {
    void* const p = ::operator new(bytes, std::align_val_t(256));
    std::memset(p, 0, bytes);
    return p;
  }
  static void release(void* p) noexcept { ::operator delete(p, std::align_val_t(256)); }
  static void* stage(std::size_t bytes) { return allocate(bytes); }
  static void unstage(void* p) noexcept { release(p); }

  void upload(void* to, void const* staged, std::size_t bytes) {
    auto const* const from = static_cast<unsigned char const*>(staged);
    enqueue_copy([=, expected = std::vector<unsigned char>(from, from + bytes)] {
      if (bytes > 0 && std::memcmp(staged, expected.data(), bytes) != 0)
        throw simt::defect(simt::defect::kind::race, "staged memory was written before its upload was waited for");
      std::memcpy(to, staged, bytes);
    });
  }
  void download(void* staged, void const* from, std::size_t bytes) {
    std::memset(staged, 0xff, bytes);
    copy(staged, from, bytes);
  }
  void copy(void* to, void const* from, std::size_t bytes) {
    enqueue_copy([=] { std::memcpy(to, from, bytes); });
  }
  template <class Params> void launch(Params const& p);   // not inline: a program may compile a kernel once (extern template)
  /// Runs what f enqueues. The same key: the same launches, or a defect; and those of the first time are run.
  template <class F> void replay(graph_key const& key, F&& f) {
    std::vector<work> now;
    {
      recording const open(*this, now);
      std::forward<F>(f)();
    }
    log_.end(key);
    for (auto const& w : graphs_.try_emplace(key, std::move(now)).first->second) enqueue(w);
  }
  /// Remembers what has been enqueued so far as `which` (0 to 3), for wait(which).
  void mark(int which) { marks_[std::size_t(which)] = enqueued_; }
  void wait(int which) { finish(marks_[std::size_t(which)]); }
  void wait() { finish(enqueued_); }
  void settle() {}
  void select() {}
  static constexpr int processors = 4;   ///< few, so that small models split products too

 private:
  struct work {
    std::function<void(std::uint64_t number, std::uint64_t ended)> run;
    bool is_copy = false;
    std::uint64_t ended = 0;   ///< when it was enqueued: before which number all had ended, or stood before a copy
  };
  /// While it lives, what is enqueued is recorded; also where that ends in an exception, and nothing is.
  struct recording {
    recording(emulator& e, std::vector<work>& to) : of(e) { e.recorded_ = &to, e.log_.begin(); }
    recording(recording const&) = delete;
    ~recording() { of.recorded_ = nullptr, of.log_.cancel(); }
    emulator& of;
  };
  void enqueue(work w) {
    if (recorded_) return recorded_->push_back(std::move(w));
    w.ended = ended_;
    ++enqueued_;
    if (w.is_copy) ended_ = enqueued_;   // before a copy all launches end, and it ends before the next one starts
    queue_.push_back(std::move(w));
  }
  template <class F> void enqueue_copy(F&& f) {
    enqueue({[f = std::forward<F>(f)](std::uint64_t, std::uint64_t) { f(); }, true});
  }
  void finish(std::uint64_t count) {
    for (std::uint64_t number; (number = enqueued_ - queue_.size()) < count;) {
      work const next = std::move(queue_.front());
      queue_.pop_front();
      next.run(number, next.ended);
    }
    ended_ = std::max(ended_, count);
  }

  launch_log log_;
  simt::store_log stores_;   // of launches that may still run on a GPU
  std::uint64_t launches_ = 0;   // seeds the order of threads and blocks: no result may depend on it
  std::uint64_t enqueued_ = 0, ended_ = 0;   // ended_: of what is enqueued next
  std::array<std::uint64_t, 4> marks_{};
  std::deque<work> queue_;
  std::vector<work>* recorded_ = nullptr;   // where a graph is being recorded
  std::map<graph_key, std::vector<work>> graphs_;
};

template <class Params> void emulator::launch(Params const& p) {
  log_.add(p);
  enqueue({[this, p](std::uint64_t number, std::uint64_t ended) {
    simt::store_log::watch const watch(stores_, number, ended);
    if constexpr (requires { requires Params::needs_sm90; }) simt::launch_sm90(shape_of(p), [&](simt::host_sm90_grid g) { run(g, p); }, ++launches_);
    else simt::launch(shape_of(p), [&](simt::host_grid g) { run(g, p); }, ++launches_);
  }});
}

}  // namespace verbatim::cuda
