// Masks the stop tokens until the output has the length that the request asks for at least.
// Cost: the number of stop tokens, and nothing once the length is reached.
#pragma once
#include "verbatim/sampling/concepts.hpp"

namespace verbatim {

/// Logit op. Reads sampling_params::min_tokens and row_history::stop_tokens, which must outlive the row.
struct min_tokens {
  static constexpr int revision = 1;
  struct params {
    token const* stop = nullptr;
    std::size_t count = 0;
  };
  static params prepare(sampling_params const& p, row_history const& h) {
    if (p.min_tokens <= 0 || h.output.size() >= std::size_t(p.min_tokens)) return {};
    return {h.stop_tokens.data(), h.stop_tokens.size()};
  }
  static constexpr bool active(params const& p) { return p.count > 0; }
  static void edit(params const& p, std::span<float> row) {
    for (std::size_t i = 0; i < p.count; ++i)
      if (p.stop[i] >= 0 && std::size_t(p.stop[i]) < row.size()) row[std::size_t(p.stop[i])] = masked;
  }
};

}  // namespace verbatim
