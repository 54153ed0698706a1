// Launches of a test's kernels on a device that does not see the host's memory: every allocation that the parameters point into is copied
// to the device, the pointers in the parameters are changed to the copies, the kernel is launched by the device's executor as the library
// launches it, and everything is copied back. Between the copies lie bytes that nothing may change.
#pragma once
#include <algorithm>
#include <stdexcept>

#include "memory.hpp"
#include "verbatim/backend/cuda/memory.hpp"

namespace kernel_tests {

template <class Executor> class mirror {
 public:
  explicit mirror(std::size_t bytes = std::size_t(64) << 20) : there_(bytes), here_(bytes) {}

  /// Runs the kernel on the device and leaves the host's memory as it is: the results are in results_of.
  template <class Params> void launch(Params p) {
    mirrored_.clear();
    std::memset(here_.data(), guard, used_ = guard_bytes);
    static_assert(std::is_trivially_copyable_v<Params> && sizeof(void*) == sizeof(std::uintptr_t));
    for (std::size_t at = 0; at + sizeof(void*) <= sizeof p; at += sizeof(void*)) {   // pointers are aligned
      std::uintptr_t word;
      std::memcpy(&word, reinterpret_cast<unsigned char*>(&p) + at, sizeof word);
      auto after = blocks().upper_bound(word);
      if (after == blocks().begin() || word >= std::prev(after)->first + std::prev(after)->second.bytes) continue;   // a number
      auto const& [first, is] = *std::prev(after);
      word = reinterpret_cast<std::uintptr_t>(there_.data()) + offset_of(first, is.bytes) + (word - first);
      std::memcpy(reinterpret_cast<unsigned char*>(&p) + at, &word, sizeof word);
    }
    device_.upload(there_.data(), here_.data(), used_);
    device_.wait();
    device_.launch(p);
    device_.wait();   // where a kernel failed, this throws
    device_.download(here_.data(), there_.data(), used_);
    device_.wait();
  }
  /// Whether a launch has written beside what it was given.
  bool guards_hold() const {
    std::size_t at = 0;
    auto const until = [&](std::size_t end) {
      bool const hold = std::all_of(here_.data() + at, here_.data() + end, [](unsigned char c) { return c == guard; });
      return at = end, hold;
    };
    for (auto const& [first, place] : in_order()) {
      if (!until(place.first)) return false;
      at += place.second;
    }
    return until(used_);
  }
  /// Calls f(first byte on the host, what the launch left of it on the device, bytes) for every allocation that the launch was given.
  template <class F> void each_result(F&& f) const {
    for (auto const& [first, place] : mirrored_) f(first, here_.data() + place.first, place.second);
  }

 private:
  using place = std::pair<std::size_t, std::size_t>;   // offset, bytes
  static constexpr unsigned char guard = 0xa5;
  static constexpr std::size_t guard_bytes = 256;

  std::size_t offset_of(std::uintptr_t first, std::size_t bytes) {
    auto const [found, is_new] = mirrored_.try_emplace(first, place{used_, bytes});
    if (!is_new) return found->second.first;
    std::size_t const end = (used_ + bytes + 255) / 256 * 256 + guard_bytes;
    if (end > here_.size()) throw std::length_error("a test's memory is larger than the mirror");
    std::memcpy(here_.data() + used_, reinterpret_cast<void const*>(first), bytes);
    std::memset(here_.data() + used_ + bytes, guard, end - used_ - bytes);
    used_ = end;
    return found->second.first;
  }
  std::vector<std::pair<std::uintptr_t, place>> in_order() const {
    std::vector<std::pair<std::uintptr_t, place>> all(mirrored_.begin(), mirrored_.end());
    std::sort(all.begin(), all.end(), [](auto const& a, auto const& b) { return a.second.first < b.second.first; });
    return all;
  }

  Executor device_;
  verbatim::cuda::device_array<Executor, unsigned char> there_;
  verbatim::cuda::staging_array<Executor, unsigned char> here_;
  std::size_t used_ = 0;
  std::map<std::uintptr_t, place> mirrored_;
};

}  // namespace kernel_tests
