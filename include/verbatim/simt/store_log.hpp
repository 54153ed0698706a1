// Which arrays of global memory launches have stored into. Launches overlap on a GPU: what one of them reads before it waits for those
// before must not be what they store. Launches are numbered in the order in which they are enqueued, and each comes with the number before
// which all have ended when it was enqueued: that is when a GPU may start it. Where a log is current on the thread that launches,
// blocks write it and check by it. Cost: a comparison a store; an entry a launch and array, until a launch comes behind its end.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace verbatim::simt {

class store_log {
 public:
  /// Launch `number`, before which those below `ended` have ended. Neither is less than that of the launch before.
  void begin_launch(std::uint64_t number, std::uint64_t ended) noexcept {
    std::erase_if(arrays_, [&](array const& a) { return a.launch < ended; });
    first_of_launch_ = arrays_.size(), launch_ = number;
  }
  void add(void const* data, std::size_t bytes) {
    array const a{reinterpret_cast<std::uintptr_t>(data), reinterpret_cast<std::uintptr_t>(data) + bytes, launch_};
    for (std::size_t i = arrays_.size(); i > first_of_launch_; --i)
      if (arrays_[i - 1].first == a.first && arrays_[i - 1].end == a.end) return;
    arrays_.push_back(a);
  }
  /// Whether a launch that may still run, or this one, has stored there.
  bool has_any_of(void const* data, std::size_t bytes) const noexcept {
    std::uintptr_t const first = reinterpret_cast<std::uintptr_t>(data), end = first + bytes;
    for (array const& a : arrays_)
      if (a.first < end && first < a.end) return true;
    return false;
  }

  static store_log* current() noexcept { return place(); }
  /// Current on this thread while this object lives.
  class watch {
   public:
    watch(store_log& log, std::uint64_t number, std::uint64_t ended) noexcept : before_(place()) { place() = &log, log.begin_launch(number, ended); }
    watch(watch const&) = delete;
    ~watch() { place() = before_; }

   private:
    store_log* before_;
  };

 private:
  struct array {
    std::uintptr_t first, end;
    std::uint64_t launch;
  };
  static store_log*& place() noexcept {
    thread_local store_log* log = nullptr;
    return log;
  }
  std::vector<array> arrays_;
  std::size_t first_of_launch_ = 0;   // the arrays of the launch that runs
  std::uint64_t launch_ = 0;
};

}  // namespace verbatim::simt
