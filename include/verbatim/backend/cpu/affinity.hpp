// The processors that threads keep to. A thread that was told to keep to one still counts as free to use those that it could before, for the
// pools that it makes later. Other threads that it makes inherit the one processor, as the system has it.
#pragma once
#include <optional>

#if defined(__linux__)
#include <sched.h>
#endif

namespace verbatim::cpu {

/// The processors that the calling thread may use, or could use before keep(), unless it was told others since: what the system, a container,
/// taskset or numactl leave to the process. Elsewhere than on Linux there are none, and nothing is kept to. Cost: a system call each; nothing
/// allocates, nothing throws.
class processors {
 public:
  static processors of_this_thread() noexcept {
    processors out;
#if defined(__linux__)
    if (::sched_getaffinity(0, sizeof out.set_, &out.set_) != 0) CPU_ZERO(&out.set_);
    if (before() && CPU_EQUAL(&out.set_, &before()->own)) out.set_ = before()->all;
#endif
    return out;
  }

  int count() const noexcept {
#if defined(__linux__)
    return CPU_COUNT(&set_);
#else
    return 0;
#endif
  }

  /// The calling thread keeps to the processor of that index, counted from the lowest; a wish: refused, it runs anywhere.
  void keep([[maybe_unused]] int index) const noexcept {
#if defined(__linux__)
    for (int c = 0; c < CPU_SETSIZE; ++c) {
      if (!CPU_ISSET(c, &set_) || index-- > 0) continue;
      cpu_set_t own;
      CPU_ZERO(&own);
      CPU_SET(c, &own);
      before() = kept{set_, own};
      ::sched_setaffinity(0, sizeof own, &own);
      return;
    }
#endif
  }
  /// The calling thread may use all of them.
  void use_all() const noexcept {
#if defined(__linux__)
    before().reset();
    ::sched_setaffinity(0, sizeof set_, &set_);
#endif
  }

 private:
#if defined(__linux__)
  /// What this thread could use before keep(), and has kept to since.
  struct kept {
    cpu_set_t all, own;
  };
  static std::optional<kept>& before() noexcept {
    thread_local std::optional<kept> sets;
    return sets;
  }
  cpu_set_t set_{};
#endif
};

}  // namespace verbatim::cpu
