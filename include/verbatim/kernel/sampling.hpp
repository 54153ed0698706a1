// From rows of logits to tokens and log-probabilities, without a sort and without writing a row: one block a row. The bits are those of
// the host's chain (sampling/chain.hpp) of temperature, top_k, top_p, min_p and gumbel, and of score_token: the same operations, and
// where sums round, in the same order (sampling/detail/row.hpp). What else a request asks for stays the host's affair.
// Cost: a row is read four times (peak, noise, sum, rank), sixteen times more for each of top_k and top_p; the first time from memory,
// then from L2. The floor is one read: 4 bytes an id at the device's bandwidth. Unmeasured.
#pragma once
#include "verbatim/core/token.hpp"
#include "verbatim/kernel/row_search.hpp"
#include "verbatim/numerics/noise.hpp"

namespace verbatim::kernel {

/// What is wanted of one row of logits.
struct sampling_row {
  enum class what : int { nothing, score, sample };   ///< score: `target` under the model's own distribution
  what wanted = what::nothing;
  token target = -1;          ///< of `sample`: a given token, or negative: draw one
  float temperature = 1;
  int top_k = 0;              ///< 0: off
  float top_p = 1;            ///< 1: off
  float min_ratio = -__builtin_inff();   ///< log of min_p; -infinity: off
  int noise = 0;              ///< 0: the most likely token
  int position = 0;
  std::uint64_t seed = 0;
  int raw = 0;                ///< the token's log-probability and rank under the model's own distribution, too
};
struct sampling_result {
  token id = -1;              ///< -1: the row is no distribution
  float logprob = 0;
  int rank = 0;
  float raw_logprob = 0;
  int raw_rank = 0;
};

struct sample_rows {
  static constexpr int block_threads = 512;
  global<float const> logits;          ///< [rows, vocabulary]
  global<sampling_row const> wanted;   ///< [rows]
  global<sampling_result> results;     ///< [rows]
  int rows, vocabulary;
};
constexpr launch_shape shape_of(sample_rows const& p) { return {.x = p.rows, .threads = sample_rows::block_threads, .shared = row_search_bytes}; }

/// The token of a row that is drawn: the largest logit plus noise, or the largest logit; among equals the lowest id.
template <class Grid> VERBATIM_KERNEL token draw(Grid g, logit_row<Grid> const& row, sampling_row const& w, float peak) {
  token const first = lowest_id(g, row, [peak](float x) { return x >= peak; });
  if (!w.noise) return first;
  gumbel_noise const noise{philox_key_of(w.seed), std::uint32_t(w.position)};
  double best = double(peak) + noise.value(first);
  /// The largest float that is not above x: rounding up would pass over ids that win.
  auto const below = [](double x) {
    float const f = float(x);
    return double(f) > x ? from_key(key_of(f) - 1) : f;
  };
  token id = first;
  int const blocks = blocks_for(row.size, 128);
  for (int c = g.thread(); c < 16 * blocks; c += g.threads()) {   // a counter's eight ids: neighbouring threads have neighbouring ids
    int const base = c / 16 * 128 + c % 16;
    philox_counter words{};
    bool drawn = false;
    for (int n = 0; n < 8; ++n) {
      token const at = base + 16 * n;
      float const x = at < row.size ? row.at(at) : -__builtin_inff();
      float const ahead = sum(x, -below(best));
      if (!(ahead > -noise_bound - 1)) continue;
      if (!drawn) words = noise.words(std::uint32_t(c)), drawn = true;
      std::uint32_t const word = words[std::size_t(n / 2)], upper = n % 2 ? word >> 16 : word & 0xffffu;
      if (product(ahead, 1.44269504f) < least_log2(upper) - 1e-2f) continue;   // far more than what rounding moves
      double const value = double(x) + noise.value(at, upper);
      if (value > best || (value == best && at < id)) best = value, id = at;
    }
  }
  double const top = block_reduce(g, best, [](double a, double b) { return b > a ? b : a; });
  return block_reduce(g, best == top ? id : row.size, [](int a, int b) { return b < a ? b : a; });
}

/// 1 + how many are greater + how many are equal with a lower id.
template <class Grid> VERBATIM_KERNEL int rank_in(Grid g, logit_row<Grid> const& row, token id) {
  float const x = row.at(id);
  int greater = 0;
  for (int i = g.thread(); i < row.size; i += g.threads()) {
    float const v = row.at(i);
    greater += v > x || (v == x && i < id);
  }
  return 1 + block_reduce(g, greater, [](int a, int b) { return a + b; });
}

inline constexpr float least_logprob = -9999.0f;   ///< sampling/concepts.hpp, logprob_floor

struct logprob_and_rank {
  float logprob;
  int rank;
};
/// Of an id of the row whose largest value is `peak`.
template <class Grid> VERBATIM_KERNEL logprob_and_rank report(Grid g, logit_row<Grid> const& row, float peak, token id) {
  double const total = log_sum(g, row, peak);
  float const p = float(double(row.at(id)) - double(peak) - total);
  return {p > least_logprob ? p : least_logprob, rank_in(g, row, id)};
}

template <class Grid> VERBATIM_KERNEL void run(Grid g, sample_rows const& p) {
  sampling_row const w = g.load(p.wanted, g.block_x());
  if (w.wanted == sampling_row::what::nothing) return;
  bool const samples = w.wanted == sampling_row::what::sample;
  sampling_result out{-1, least_logprob, 0, least_logprob, 0};
  logit_row<Grid> const raw{g, p.logits, std::size_t(g.block_x()) * std::size_t(p.vocabulary), p.vocabulary, 1, -__builtin_inff()};
  logit_row<Grid> row = raw;
  if (samples) row.temperature = w.temperature;
  float const peak = finite_peak(g, row);
  if (peak == peak) {
    if (samples && w.top_k > 0 && w.top_k < p.vocabulary) row.mask_below(count_threshold(g, row, peak, w.top_k), peak);
    if (samples && w.top_p < 1) row.mask_below(mass_threshold(g, row, peak, w.top_p), peak);
    if (samples) row.mask_below(sum(peak, w.min_ratio), peak);
    token const id = samples && w.target < 0 ? draw(g, row, w, peak) : w.target;
    if (id >= 0 && id < p.vocabulary) {
      auto const [logprob, rank] = report(g, row, peak, id);
      out.id = id, out.logprob = logprob, out.rank = rank;
      if (samples && w.raw) {
        float const raw_peak = finite_peak(g, raw);
        auto const own = report(g, raw, raw_peak, id);
        out.raw_logprob = own.logprob, out.raw_rank = own.rank;
      }
    }
  }
  if (g.thread() == 0) g.store(p.results, g.block_x(), out);
}

}  // namespace verbatim::kernel
