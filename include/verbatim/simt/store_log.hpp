// Which arrays of global memory launches have stored into. Launches overlap on a GPU: what one of them reads before it waits for those
// before must not be what they store. Where a log is current on the thread that launches, blocks write it and check by it. Cost: a
// comparison a store; an entry a launch and array.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace verbatim::simt {

class store_log {
 public:
  /// The arrays of this launch are looked up among its own.
  void begin_launch() noexcept { first_of_launch_ = arrays_.size(); }
  void add(void const* data, std::size_t bytes) {
    array const a{reinterpret_cast<std::uintptr_t>(data), reinterpret_cast<std::uintptr_t>(data) + bytes};
    for (std::size_t i = arrays_.size(); i > first_of_launch_; --i)
      if (arrays_[i - 1].first == a.first && arrays_[i - 1].end == a.end) return;
    arrays_.push_back(a);
  }
  bool has_any_of(void const* data, std::size_t bytes) const noexcept {
    std::uintptr_t const first = reinterpret_cast<std::uintptr_t>(data), end = first + bytes;
    for (array const& a : arrays_)
      if (a.first < end && first < a.end) return true;
    return false;
  }
  /// Everything that was launched has ended.
  void clear() noexcept { arrays_.clear(), first_of_launch_ = 0; }

  static store_log* current() noexcept { return place(); }
  /// Current on this thread while this object lives.
  class watch {
   public:
    explicit watch(store_log& log) noexcept : before_(place()) { place() = &log, log.begin_launch(); }
    watch(watch const&) = delete;
    ~watch() { place() = before_; }

   private:
    store_log* before_;
  };

 private:
  struct array {
    std::uintptr_t first, end;
  };
  static store_log*& place() noexcept {
    thread_local store_log* log = nullptr;
    return log;
  }
  std::vector<array> arrays_;
  std::size_t first_of_launch_ = 0;
};

}  // namespace verbatim::simt
