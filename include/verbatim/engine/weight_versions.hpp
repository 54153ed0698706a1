// Names of the weights that an engine has run. Every refit and every relabelling makes a new number, which tokens carry; the
// label is the caller's own text for it (a trainer's step), so that an answer can say which weights sampled which tokens.
// Thread-safe: the engine's thread adds, fronts ask. Memory: the latest `kept` labels; older numbers are their own label.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <utility>

namespace verbatim {

class weight_versions {
 public:
  static constexpr std::size_t kept = 65536;

  /// The number of what is run now; 0 is what the engine was made with.
  std::uint64_t current() const { std::lock_guard lock(mutex_); return first_ + labels_.size() - 1; }
  /// The label of a number.
  std::string label(std::uint64_t number) const {
    std::lock_guard lock(mutex_);
    bool const known = number >= first_ && number - first_ < labels_.size();
    return known ? labels_[std::size_t(number - first_)] : std::to_string(number);
  }
  std::string label() const { std::lock_guard lock(mutex_); return labels_.back(); }
  /// Makes the next number current, and gives it. An empty label stands for the number itself.
  std::uint64_t add(std::string label) {
    std::lock_guard lock(mutex_);
    std::uint64_t const number = first_ + labels_.size();
    labels_.push_back(label.empty() ? std::to_string(number) : std::move(label));
    if (labels_.size() > kept) labels_.pop_front(), ++first_;
    return number;
  }

 private:
  mutable std::mutex mutex_;
  std::deque<std::string> labels_{"0"};
  std::uint64_t first_ = 0;
};

}  // namespace verbatim
