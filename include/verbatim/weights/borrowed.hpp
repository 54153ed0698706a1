// A weight_source over tensors that the caller owns, for refit from a trainer's memory.
// Invariant: names, data and the span itself outlive every use of this object; nothing is copied here.
// Cost: none.
#pragma once
#include <cstdint>
#include <span>

#include "verbatim/core/tensor.hpp"
#include "verbatim/weights/concept.hpp"

namespace verbatim::weights {

class borrowed {
 public:
  /// `version` is what tokens sampled from these weights are tagged with.
  explicit borrowed(std::span<tensor const> tensors, std::uint64_t version = 0) noexcept
      : tensors_(tensors), version_(version) {}

  std::uint64_t version() const noexcept { return version_; }
  void each(void (*visit)(tensor const&, void*), void* self) const {
    for (tensor const& t : tensors_) visit(t, self);
  }
  std::span<tensor const> tensors() const noexcept { return tensors_; }

 private:
  std::span<tensor const> tensors_;
  std::uint64_t version_;
};
static_assert(weight_source<borrowed>);

}  // namespace verbatim::weights
