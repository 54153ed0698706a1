// Adds the request's bias to the logits that it names. Ids outside of the vocabulary are ignored here; the front refuses
// them. Cost: the number of named ids.
#pragma once
#include <utility>

#include "verbatim/sampling/concepts.hpp"

namespace verbatim {

/// Logit op. Reads sampling_params::logit_bias, which must outlive the row.
struct logit_bias {
  static constexpr int revision = 1;
  struct params {
    std::pair<token, float> const* bias = nullptr;
    std::size_t count = 0;
  };
  static params prepare(sampling_params const& p, row_history const&) { return {p.logit_bias.data(), p.logit_bias.size()}; }
  static constexpr bool active(params const& p) { return p.count > 0; }
  static void edit(params const& p, std::span<float> row) {
    for (std::size_t i = 0; i < p.count; ++i)
      if (auto const id = std::size_t(p.bias[i].first); p.bias[i].first >= 0 && id < row.size()) row[id] += p.bias[i].second;
  }
};

}  // namespace verbatim
