// The most likely token; the lowest id among equals. Cost: one early-ending pass.
#pragma once
#include "verbatim/sampling/concepts.hpp"
#include "verbatim/sampling/detail/row.hpp"

namespace verbatim {

/// Selector. Compares values only, so the bits cannot depend on how a row was cut into tiles.
struct greedy {
  static constexpr guarantee offers = guarantee::layout_invariant;
  static constexpr int revision = 1;
  struct params {};
  struct partial {
    float value = masked;
    token id = -1;
  };
  static constexpr partial take(params const&, partial a, score s) { return merge(a, {s.value, s.id}); }
  static constexpr partial merge(partial a, partial b) {
    if (a.id < 0 || b.id < 0) return a.id < 0 ? b : a;
    return b.value > a.value || (b.value == a.value && b.id < a.id) ? b : a;
  }
  static constexpr token result(partial a) { return a.id; }
  static partial fold(params const&, std::span<float const> row, float peak) { return {peak, detail::first_at_least(row, peak)}; }
};

}  // namespace verbatim
