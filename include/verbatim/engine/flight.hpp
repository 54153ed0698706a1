// A step on its way, and what is wanted of its rows of logits: a token or the log-probability of one, and how that is got where the
// backend does not give it. A backend that computes by itself has one step in flight while the host packs the next.
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include "verbatim/backend/step.hpp"
#include "verbatim/engine/continuation.hpp"
#include "verbatim/engine/device_sampling.hpp"
#include "verbatim/kernel/sampling.hpp"
#include "verbatim/sampling/chain.hpp"

namespace verbatim::detail {

/// `target`: the position in the prompt whose log-probability is wanted, or negative: a new token.
template <class Continuation> struct row_task {
  Continuation* who = nullptr;   ///< null: it ended while the step ran, and nobody wants the row
  int target = -1;
  drawn result{};
  bool done = false;             ///< by the backend
};

/// A step, from packing to the last of its results.
template <class Continuation> struct flight {
  struct planned { Continuation* who; int tokens; };
  std::vector<planned> sequences;
  std::vector<row_task<Continuation>> tasks;      ///< [outputs]
  std::vector<kernel::sampling_row> wanted;       ///< of a backend that samples
  std::vector<kernel::sampling_result> results;
  logits_view logits{};                           ///< of a backend that does not
  bool by_itself = false;                         ///< the backend finishes every row: nothing of the step waits for the host

  void reserve(std::size_t slices, std::size_t outputs) {
    sequences.reserve(slices), tasks.reserve(outputs), wanted.reserve(outputs), results.reserve(outputs);
  }
  void clear() { sequences.clear(), tasks.clear(), wanted.clear(), results.clear(); }
  /// What has ended meanwhile is about to be destroyed, and its rows are for nobody.
  void forget_finished() {
    auto const forget = [](auto& list) {
      for (auto& x : list)
        if (x.who && x.who->state == phase::finished) x.who = nullptr;
    };
    forget(sequences), forget(tasks);
  }
};

/// True while its siblings still wait for the common prompt.
template <class Continuation> bool forks(Continuation const& c) { return c.index == 0 && c.owner->ask().count > 1 && c.output_size() == 0; }

/// What the backend is asked for: nothing where the row is the host's.
template <class Chain, class Continuation> kernel::sampling_row wanted_of(row_task<Continuation> const& t) {
  auto const& c = *t.who;
  request const& ask = c.owner->ask();
  if (t.target >= 0 ? c.owner->scored_top > 0 : forks(c) || ask.top_logprobs > 0) return {};
  if (t.target >= 0) return {.wanted = kernel::sampling_row::what::score, .target = c.ids[std::size_t(t.target)]};
  return sampling_row_of<Chain>(c.sampling, c.history(), c.known(), c.given(c.known()), ask.logprobs != logprobs_mode::processed);
}
template <class Continuation> void take_result(row_task<Continuation>& t, kernel::sampling_row const& w, kernel::sampling_result const& r) {
  if (!t.who || w.wanted == kernel::sampling_row::what::nothing) return;
  bool const raw_only = t.target < 0 && t.who->owner->ask().logprobs == logprobs_mode::raw;
  t.result.token = raw_only ? sampled{r.id, r.raw_logprob, r.raw_rank} : sampled{r.id, r.logprob, r.rank};
  t.result.raw = w.raw ? r.raw_logprob : 0;
  t.result.forced = t.target < 0 && w.target >= 0;
  t.done = true;
}

/// This thread's room for a second copy of a row: raw log-probabilities need the logits that sampling overwrites.
inline std::span<float> second_row(std::size_t ids) {
  thread_local std::vector<float> row;
  if (row.size() < ids) row.resize(ids);
  return std::span(row).first(ids);
}
/// The next output token of c, sampled or given, from its row of logits, which is overwritten.
template <class Sampler, class Continuation> drawn pick(Continuation const& c, std::span<float> row, std::span<score> top) {
  auto const stages = Sampler::prepare(c.sampling, c.history(), int(c.ids.size()));
  token const given = c.given(int(c.ids.size()));
  auto const draw = [&](std::span<float> logits, std::span<score> best) {
    return given < 0 ? Sampler::pick(stages, logits, best) : Sampler::take(stages, logits, given, best);
  };
  logprobs_mode const mode = c.owner->ask().logprobs;
  if (mode == logprobs_mode::processed) return {draw(row, top), 0, given >= 0};
  if constexpr (requires { { Sampler::changes(stages) } -> std::same_as<bool>; })
    if (!Sampler::changes(stages)) {   // both are the model's own
      sampled const s = draw(row, top);
      return {s, s.logprob, given >= 0};
    }
  auto const copy = second_row(row.size());
  std::copy(row.begin(), row.end(), copy.begin());
  bool const raw_only = mode == logprobs_mode::raw;
  sampled const s = draw(copy, raw_only ? std::span<score>() : top);
  sampled const raw = score_token(row, s.id, raw_only ? top : std::span<score>());
  return {raw_only ? raw : s, raw.logprob, given >= 0};
}

}  // namespace verbatim::detail
