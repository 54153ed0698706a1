// A weight_source without a checkpoint: seeded random weights of a configuration, for benchmarks and tests.
// Deterministic: an element depends on the seed, its tensor's name and its index only (SplitMix64 as a counter-based
// generator), not on the order, the platform or the number of threads. Scales keep activations and logits sane: matrices
// have variance 1 / fan-in, those that write to the residual stream less, logits a spread of about 3; norms are ones.
// Cost: a few nanoseconds per element, shared by all cores in large tensors, and memory for one tensor at a time: data is valid during the
// visit only.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>

#include "verbatim/core/error.hpp"
#include "verbatim/core/separate.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/model/config.hpp"
#include "verbatim/weights/concept.hpp"
#include "verbatim/weights/expected.hpp"

namespace verbatim::weights {

class random_weights {
 public:
  /// `threads` (0: one per core) share each tensor of `shared_elements` or more.
  explicit random_weights(model_config config, std::uint64_t seed = 0, std::uint64_t version = 0, unsigned threads = 0)
      : config_(std::move(config)), seed_(seed), version_(version), threads_(threads) {}
  static constexpr std::size_t shared_elements = std::size_t(1) << 20;   ///< below, starting threads takes longer than they save

  model_config const& config() const noexcept { return config_; }
  std::uint64_t version() const noexcept { return version_; }

  /// Visits every tensor of expected_tensors(config), in the config's dtype.
  void each(void (*visit)(tensor const&, void*), void* self) const;

 private:
  float deviation(expected_tensor const& t) const noexcept;
  void fill(expected_tensor const& t, std::byte* out) const;
  template <class T> void fill_as(expected_tensor const& t, std::byte* out) const;

  model_config config_;
  std::uint64_t seed_, version_;
  unsigned threads_;
};
static_assert(weight_source<random_weights>);

}  // namespace verbatim::weights

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/weights/random_weights.ipp.hpp"
#endif
