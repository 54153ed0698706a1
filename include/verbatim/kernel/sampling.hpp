// From rows of logits to tokens and log-probabilities, without a sort and without writing a row. The bits are those of the host's chain
// (sampling/chain.hpp) of temperature, top_k, top_p, min_p and gumbel, and of score_token. What else a request asks for stays the host's affair.
// Two launches, each of which reads a row once, in pieces, a block each: `sample_draws` finds the largest logit and the token, which needs
// no normaliser; `sample_sums` has the sum, the log-probability and the rank, of the chain's distribution and of the model's own at once,
// and the block that comes last puts the pieces together. Largest values, sums of integers and ties by id have no order, so pieces may be
// as many as keep a device busy. Rows that truncate have their thresholds found before, by `sample_cuts`, one block a row.
// Cost: the floor is reading the logits, 4 bytes an id, once from memory and once from the second-level cache where they have room there.
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
VERBATIM_HD constexpr bool truncates(sampling_row const& w, int vocabulary) {
  return w.wanted == sampling_row::what::sample && ((w.top_k > 0 && w.top_k < vocabulary) || w.top_p < 1 || w.min_ratio > -__builtin_inff());
}

/// What a piece of a row says of the largest logit (infinity where one is NaN) and of the token, and of the sums.
struct drawn_piece {
  double best;   ///< logit over temperature plus noise
  float peak;    ///< of the logits themselves
  token id;
};
struct summed_piece {
  std::uint64_t units, raw_units;   ///< of e^(x - peak)
  int before, raw_before;           ///< greater than the token's, or equal with a lower id
};

struct sampling_work {
  global<float const> logits;          ///< [rows, vocabulary]
  global<sampling_row const> wanted;   ///< [rows]
  global<sampling_result> results;     ///< [rows]
  global<float> cuts;                  ///< [rows], or empty: no row truncates
  global<drawn_piece> drawn;           ///< [rows, pieces]
  global<summed_piece> summed;         ///< [rows, pieces]
  global<unsigned> arrived;            ///< [rows] of 0
  int rows, vocabulary, pieces;
  int room = row_search::most_room;  ///< that sample_cuts has for each thread
};
struct sample_cuts : sampling_work {
  static constexpr int block_threads = row_search::threads;
};
struct sample_draws : sampling_work {
  static constexpr int block_threads = 256;
};
struct sample_sums : sampling_work {
  static constexpr int block_threads = 256;
};
inline constexpr place is_last_piece{reduce_bytes, 1};
constexpr launch_shape shape_of(sample_cuts const& p) { return {.x = p.rows, .threads = sample_cuts::block_threads, .shared = row_search::bytes(p.room)}; }
constexpr launch_shape shape_of(sample_draws const& p) { return {.x = p.rows, .y = p.pieces, .threads = sample_draws::block_threads, .shared = reduce_bytes}; }
constexpr launch_shape shape_of(sample_sums const& p) { return {.x = p.rows, .y = p.pieces, .threads = sample_sums::block_threads, .shared = reduce_bytes + 16}; }

/// Pieces that keep a device busy, of eight ids a thread at least.
constexpr int pieces_for(int rows, int vocabulary, int processors) {
  int const most = blocks_for(vocabulary, together * sample_draws::block_threads), enough = blocks_for(16 * processors, rows);
  return most < enough ? most : enough;
}
/// More than rows times their pieces, for up to so many rows.
constexpr std::size_t piece_room(int rows, int processors) { return std::size_t(16) * std::size_t(processors) + std::size_t(rows); }
/// Slots that a row can fill.
constexpr int room_for(int vocabulary) {
  int const most = blocks_for(vocabulary, row_search::threads);
  return most < row_search::most_room ? most : row_search::most_room;
}

template <class Grid> VERBATIM_KERNEL logit_row<Grid> row_of(Grid g, sampling_work const& p, sampling_row const& w) {
  bool const samples = w.wanted == sampling_row::what::sample;
  float const cut = samples && p.cuts.size > 0 ? g.load(p.cuts, g.block_x()) : -__builtin_inff();
  return {g, p.logits, std::size_t(g.block_x()) * std::size_t(p.vocabulary), p.vocabulary, samples ? w.temperature : 1, cut};
}

/// The counters of a piece: whole blocks of 128 ids.
struct counter_range {
  int first, end;
};
VERBATIM_KERNEL counter_range counters_of(sampling_work const& p, int piece) {
  int const blocks = blocks_for(p.vocabulary, together * apart), each = blocks_for(blocks, p.pieces);
  int const first = piece * each, end = first + each;
  return {apart * (first < blocks ? first : blocks), apart * (end < blocks ? end : blocks)};
}
/// The logits of a counter's ids; -infinity for what is not there.
template <class Grid> VERBATIM_KERNEL void load_counter(logit_row<Grid> const& row, int counter, int end, float (&x)[together]) {
  VERBATIM_UNROLL for (int n = 0; n < together; ++n) {
    int const id = first_id(counter) + n * apart;
    x[n] = counter < end && id < row.size ? row.raw(id) : -__builtin_inff();
  }
}

VERBATIM_KERNEL drawn_piece better_of(drawn_piece const& a, drawn_piece const& b) {
  bool const second = b.best > a.best || (b.best == a.best && b.id < a.id);
  return {second ? b.best : a.best, math::max(a.peak, b.peak), second ? b.id : a.id};
}
VERBATIM_KERNEL drawn_piece nothing_drawn() { return {-double(__builtin_inff()), -__builtin_inff(), 0x7fffffff}; }

/// The largest float that is not above x: rounding up would pass over ids that win.
VERBATIM_KERNEL float below(double x) {
  float const f = float(x);
  return double(f) > x ? from_key(key_of(f) - 1) : f;
}
/// A bit for each of a counter's ids that may reach `bar` with its noise.
VERBATIM_KERNEL unsigned that_may_win(float const (&y)[together], philox_counter const& words, float bar) {
  unsigned found = 0;
  VERBATIM_UNROLL for (int n = 0; n < together; ++n) {
    std::uint32_t const word = words[std::size_t(n / 2)], upper = n % 2 ? word >> 16 : word & 0xffffu;
    float const ahead = sum(y[n], -bar);
    if (ahead > -noise_bound - 1 && product(ahead, 1.44269504f) >= least_log2(upper) - 1e-2f) found |= 1u << n;   // far more than what rounding moves
  }
  return found;
}
/// What one of a counter's ids reaches at least, less what rounding may have added.
VERBATIM_KERNEL float reached_by(float const (&y)[together], philox_counter const& words) {
  float most = -__builtin_inff();
  VERBATIM_UNROLL for (int n = 0; n < together; ++n) {
    std::uint32_t const word = words[std::size_t(n / 2)], upper = n % 2 ? word >> 16 : word & 0xffffu;
    most = math::max(sum(y[n], least_noise(upper)), most);
  }
  return sum(most, -product(most < 0 ? -most : most, 0x1p-22f));
}

/// Of a piece: its largest logit, and what it would draw. The first ids of all threads tell a bar that few of the others reach.
template <class Grid> VERBATIM_KERNEL void run(Grid g, sample_draws const& p) {
  sampling_row const w = g.load(p.wanted, g.block_x());
  if (w.wanted == sampling_row::what::nothing) return;
  logit_row<Grid> const row = row_of(g, p, w);
  counter_range const piece = counters_of(p, g.block_y());
  bool const draws = w.wanted == sampling_row::what::sample && w.target < 0;
  gumbel_noise const noise{philox_key_of(w.seed), std::uint32_t(w.position)};
  drawn_piece out = nothing_drawn();
  float bar = -__builtin_inff();
  for (int first = piece.first; first < piece.end; first += g.threads()) {
    int const counter = first + g.thread();
    float y[together], top = -__builtin_inff();
    load_counter(row, counter, piece.end, y);
    VERBATIM_UNROLL for (int n = 0; n < together; ++n) {
      float const x = y[n];
      y[n] = row.processed(x);
      out.peak = y[n] != y[n] ? __builtin_inff() : math::max(x, out.peak);
      top = math::max(y[n], top);
    }
    if (!draws) continue;
    if (!w.noise) {
      VERBATIM_UNROLL for (int n = 0; n < together; ++n)
        if (double(y[n]) > out.best) out.best = double(y[n]), out.id = first_id(counter) + n * apart;   // ids ascend
      continue;
    }
    philox_counter words{};
    bool const drawn = top > bar - noise_bound - 1;
    if (drawn) words = noise.words(std::uint32_t(counter));
    if (first == piece.first) bar = block_reduce(g, drawn ? reached_by(y, words) : top, [](float a, float b) { return math::max(a, b); });
    for (unsigned left = drawn ? that_may_win(y, words, bar) : 0; left; left &= left - 1) {
      int const n = int(bits_as<std::uint32_t>(float(left & (~left + 1))) >> 23) - 127;   // the lowest bit's number
      std::uint32_t const word = n < 4 ? n < 2 ? words[0] : words[1] : n < 6 ? words[2] : words[3];
      token const id = first_id(counter) + n * apart;
      double const value = double(row.at(id)) + noise.value(id, n % 2 ? word >> 16 : word & 0xffffu);
      out = better_of(out, {value, out.peak, id});
    }
    bar = math::max(below(out.best), bar);
  }
  out = block_reduce(g, out, [](drawn_piece const& a, drawn_piece const& b) { return better_of(a, b); });
  if (g.thread() == 0) g.store(p.drawn, g.block_x() * p.pieces + g.block_y(), out);
}

inline constexpr float least_logprob = -9999.0f;   ///< sampling/concepts.hpp, logprob_floor

/// The log-probability of value x.
VERBATIM_KERNEL float logprob_of(float x, float peak, std::uint64_t units) {
  float const p = float(double(x) - double(peak) - math::log(value_of_units(units)));
  return p > least_logprob ? p : least_logprob;
}
VERBATIM_KERNEL summed_piece sum_of(summed_piece const& a, summed_piece const& b) {
  return {a.units + b.units, a.raw_units + b.raw_units, a.before + b.before, a.raw_before + b.raw_before};
}

/// Pieces backwards: of many rows, what was read last for the draws is still in the second-level cache.
template <class Grid> VERBATIM_KERNEL void run(Grid g, sample_sums const& p) {
  int const r = g.block_x(), number = p.pieces - 1 - g.block_y();
  sampling_row const w = g.load(p.wanted, r);
  if (w.wanted == sampling_row::what::nothing) return;
  logit_row<Grid> const row = row_of(g, p, w);
  counter_range const piece = counters_of(p, number);
  float x[together];
  int counter = piece.first + g.thread();
  load_counter(row, counter, piece.end, x);   // on their way while the draws are put together
  drawn_piece drawn = nothing_drawn();
  for (int i = g.thread(); i < p.pieces; i += g.threads()) drawn = better_of(drawn, g.load(p.drawn, r * p.pieces + i));
  drawn = block_reduce(g, drawn, [](drawn_piece const& a, drawn_piece const& b) { return better_of(a, b); });
  bool const samples = w.wanted == sampling_row::what::sample;
  float const peak = row.over_temperature(drawn.peak);   // division keeps the order
  token const id = samples && w.target < 0 ? drawn.id : w.target;
  bool const sound = is_finite(peak) && id >= 0 && id < p.vocabulary, changed = row.temperature != 1 || row.cut > -__builtin_inff();
  float const raw_logit = sound ? row.raw(id) : 0, logit = row.processed(raw_logit);
  summed_piece mine{};
  for (; sound && counter < piece.end; counter += g.threads(), load_counter(row, counter, piece.end, x)) {
    float y[together];
    VERBATIM_UNROLL for (int n = 0; n < together; ++n) {
      bool const lower = first_id(counter) + n * apart < id;
      y[n] = row.processed(x[n]);
      mine.before += y[n] > logit || (y[n] == logit && lower);
      mine.raw_before += x[n] > raw_logit || (x[n] == raw_logit && lower);
    }
    mine.units += units_of_eight(y, peak);
    if (w.raw && changed) mine.raw_units += units_of_eight(x, drawn.peak);
  }
  auto const add = [](summed_piece const& a, summed_piece const& b) { return sum_of(a, b); };
  mine = block_reduce(g, mine, add);
  auto const is_last = g.template shared<int>(is_last_piece);
  if (g.thread() == 0) {
    g.store(p.summed, r * p.pieces + number, mine);
    is_last.store(0, g.last_to_arrive(p.arrived, r, p.pieces));
  }
  g.sync();
  if (!is_last.load(0)) return;
  summed_piece all{};
  for (int i = g.thread(); i < p.pieces; i += g.threads()) all = sum_of(all, g.load(p.summed, r * p.pieces + i));
  all = block_reduce(g, all, add);
  if (g.thread() != 0) return;
  sampling_result out{-1, least_logprob, 0, least_logprob, 0};
  if (sound) {
    out.id = id, out.logprob = logprob_of(logit, peak, all.units), out.rank = 1 + all.before;
    if (samples && w.raw) out.raw_logprob = logprob_of(raw_logit, drawn.peak, changed ? all.raw_units : all.units), out.raw_rank = 1 + all.raw_before;
  }
  g.store(p.results, r, out);
}

/// What a row keeps: logits over the temperature that are not below its cut.
template <class Grid> VERBATIM_KERNEL void run(Grid g, sample_cuts const& p) {
  int const r = g.block_x();
  sampling_row const w = g.load(p.wanted, r);
  logit_row<Grid> row{g, p.logits, std::size_t(r) * std::size_t(p.vocabulary), p.vocabulary, w.temperature, -__builtin_inff()};
  if (truncates(w, p.vocabulary)) {
    float const peak = finite_peak(g, row);
    if (peak == peak) {
      if (w.top_k > 0 && w.top_k < p.vocabulary) row.mask_below(count_threshold(g, row, peak, p.room, w.top_k), peak);
      if (w.top_p < 1) row.mask_below(mass_threshold(g, row, peak, p.room, w.top_p), peak);
      row.mask_below(sum(peak, w.min_ratio), peak);
    }
  }
  if (g.thread() == 0) g.store(p.cuts, r, row.cut);
}

}  // namespace verbatim::kernel
