// What the arrival times of tokens say: rates and latencies of one repetition of a benchmark.
#pragma once
#include <algorithm>
#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "verbatim/core/error.hpp"

namespace verbatim {

/// Medians over the repetitions.
struct measured {
  double prefill_tokens_per_second = 0;   ///< prompt tokens that were computed, over the time to the last first token
  double cached_tokens = 0;               ///< prompt tokens that were not: what earlier prompts of the same tokens left
  double decode_tokens_per_second = 0;    ///< output tokens while all sequences decode: from then to the first one's end
  double ttft_seconds = 0;                ///< submission to first token, median over sequences
  double itl_p50_seconds = 0, itl_p99_seconds = 0;   ///< between tokens of one sequence, while all decode
  double prefill_of_floor = 0, decode_of_floor = 0;  ///< 0 when the machine's limits were not given
};

namespace detail {

inline double quantile(std::vector<double> v, double q) {
  if (v.empty()) return 0;
  std::sort(v.begin(), v.end());
  return v[std::size_t(q * double(v.size() - 1) + 0.5)];
}

/// How many output tokens each of `batch` sequences needs so that all of them decode in some step, where `rows` (more than `batch`) is what a step
/// takes, `chunk` what of it is for prompts beside decoding, and prompts are computed in order (first_come). Of room for keys and values it knows
/// nothing. Cost: O(batch).
inline long fewest_output(long batch, long prompt, long rows, long chunk) {
  constexpr long most_starts = 16;   // sequences, in one step
  long after = 0;                    // steps in which the first one decodes, until the last prompt is computed
  for (long computed = 0; computed < batch * prompt;) {   // prompt tokens
    long const decoding = computed / prompt, started = (computed + prompt - 1) / prompt;
    long const last = prompt > 1 && computed % prompt == prompt - 1;   // a prompt's last token counts as decoding if it is alone
    long const beside = decoding + last > 0 ? std::min(rows - decoding - last, chunk) : rows;
    long const room = std::max(1l, std::min(last + beside, (started + most_starts) * prompt - computed));
    long const steps = std::max(1l, ((decoding + 1) * prompt - 1 - computed) / room);   // that are alike
    if (decoding > 0) after += steps;
    computed += steps * room;
  }
  return after + 2;
}

/// Arrival times of every token of one repetition. A step's tokens arrive together: they are handed out one sequence after another, and times
/// of their own would open the window behind most of a step's tokens and close it before most of another's, with all of the time between.
struct timeline {
  double start = 0;
  int cached = 0;   // prompt tokens
  std::vector<std::vector<double>> tokens;   // [sequence][token]
  std::optional<double> step;                // when the first token of this one arrived

  /// What arrives from now on is of another step.
  void begin_step() noexcept { step.reset(); }
  /// `now`: a clock in seconds, asked at a step's first token.
  template <class Clock> void arrived(std::size_t sequence, Clock const& now) {
    if (!step) step = now();
    tokens[sequence].push_back(*step);
  }

  /// All sequences decode from the last one's first token to the first one's last.
  double last_first() const {
    double t = start;
    for (auto const& s : tokens) t = std::max(t, s.empty() ? start : s.front());
    return t;
  }
  /// Throws error("engine", 10) where no token lies between the two.
  measured summary(int prompt) const {
    double const decoding = last_first();
    double end = std::numeric_limits<double>::infinity();
    for (auto const& s : tokens) end = std::min(end, s.empty() ? start : s.back());
    std::vector<double> first, gaps;
    std::size_t longest = 0;
    for (auto const& s : tokens) {
      if (s.empty()) continue;
      first.push_back(s.front() - start);
      longest = std::max(longest, s.size());
      for (std::size_t i = 1; i < s.size(); ++i)
        if (s[i] > decoding && s[i] <= end) gaps.push_back(s[i] - std::max(s[i - 1], decoding));
    }
    if (gaps.empty() && longest > 1)
      throw error("engine", 10, "with " + std::to_string(longest) + " output tokens the first sequence ends before the last one's prompt is computed, so the "
                                    "batch never decodes as a whole: more output tokens are needed");
    measured m;
    m.cached_tokens = cached;
    m.prefill_tokens_per_second = (double(tokens.size()) * prompt - cached) / (decoding - start);
    m.decode_tokens_per_second = gaps.empty() ? 0 : double(gaps.size()) / (end - decoding);
    m.ttft_seconds = quantile(first, 0.5);
    m.itl_p50_seconds = quantile(gaps, 0.5);
    m.itl_p99_seconds = quantile(gaps, 0.99);
    return m;
  }
};

}  // namespace detail

}  // namespace verbatim
