// Samples by the Gumbel-max trick: argmax of logit + noise, noise keyed by (seed, position, token id) and by nothing else,
// so a draw does not depend on batch, row, chunk or tile. At temperature 0 the noise is off: greedy.
// Noise: E = -log(1 - w), w = (n + 1/2) / 2^48 with n from Philox4x32-10; g = -log(E) in double, at most 34.
// Cost: 16 random bits for ids within 34 of the best so far, the others and a logarithm for the few that can still win.
#pragma once
#include <cmath>

#include "verbatim/sampling/concepts.hpp"
#include "verbatim/sampling/detail/noise.hpp"
#include "verbatim/sampling/detail/row.hpp"
#include "verbatim/sampling/seed.hpp"

namespace verbatim {

/// Selector. Reads sampling_params::seed and temperature; the position is that of the token to be sampled.
struct gumbel {
  static constexpr guarantee offers = guarantee::layout_invariant;
  static constexpr int revision = 1;
  struct params {
    std::uint64_t seed = 0;
    int position = 0;
    int noise = 1;   ///< 0: greedy
  };
  struct partial {
    double value = double(masked);
    token id = -1;
  };
  static params prepare(sampling_params const& p, row_history const&, int position) {
    return {p.seed, position, p.temperature > 0};
  }
  static partial take(params const& p, partial a, score s) {
    if (!(s.value > masked)) return a;
    double const g = p.noise ? detail::noise_stream(p.seed, p.position).gumbel(s.id) : 0;
    return merge(a, {double(s.value) + g, s.id});
  }
  static constexpr partial merge(partial a, partial b) {
    if (a.id < 0 || b.id < 0) return a.id < 0 ? b : a;
    return b.value > a.value || (b.value == a.value && b.id < a.id) ? b : a;
  }
  static constexpr token result(partial a) { return a.id; }

  /// Equal to folding `take` over the row; ids that cannot win are skipped.
  static partial fold(params const& p, std::span<float const> row, float peak) {
    partial best = take(p, {}, {peak, detail::first_at_least(row, peak)});
    if (!p.noise) return best;
    detail::noise_stream const noise(p.seed, p.position);
    float bar = below(best.value);   // what loses against a lower bar loses
    std::uint32_t words[detail::noise_block / 2];
    float padded[detail::noise_block];
    for (std::size_t at = 0; at < row.size(); at += detail::noise_block) {
      float const* x = row.data() + at;
      if (row.size() - at < detail::noise_block) {
        std::fill(std::copy(x, row.data() + row.size(), padded), std::end(padded), masked);
        x = padded;
      }
      if (!detail::any_at_least(x, detail::noise_block, bar - noise_bound)) continue;
      noise.words(std::uint32_t(at), words);
      for (std::size_t k = 0; k < 4; ++k)
        for (std::uint32_t m = detail::may_win(x + 32 * k, words + 16 * k, bar); m; m &= m - 1) {
          std::size_t const i = std::size_t(std::countr_zero(m)), j = 32 * k + i;
          std::uint32_t const word = words[16 * k + i % 16];
          token const id = token(at + j);
          best = merge(best, {double(x[j]) + noise.gumbel(id, i < 16 ? word & 0xffffu : word >> 16), id});
          bar = below(best.value);
        }
    }
    return best;
  }

 private:
  /// The largest float that is not above x.
  static float below(double x) noexcept {
    float const f = float(x);
    return double(f) > x ? std::nextafter(f, masked) : f;
  }
};

}  // namespace verbatim
