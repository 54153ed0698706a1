// The processors that threads keep to. A thread that was told to keep to one still counts as free to use those that it could before: what
// it makes later (a second engine, other threads) must not end up on that one processor.
#pragma once
#include <optional>

#if defined(__linux__)
#include <sched.h>
#endif

namespace verbatim::cpu {

/// The processors that the calling thread may use, or could use before keep(): what the system, a container, taskset or numactl leave to
/// the process. Elsewhere than on Linux there are none, and nothing is kept to. Cost: a system call each; nothing allocates, nothing throws.
class processors {
 public:
  static processors of_this_thread() noexcept {
    processors out;
#if defined(__linux__)
    if (before()) out.set_ = *before();
    else if (::sched_getaffinity(0, sizeof out.set_, &out.set_) != 0) CPU_ZERO(&out.set_);
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
      before() = set_;
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
  /// What this thread could use before keep().
  static std::optional<cpu_set_t>& before() noexcept {
    thread_local std::optional<cpu_set_t> set;
    return set;
  }
  cpu_set_t set_{};
#endif
};

}  // namespace verbatim::cpu
