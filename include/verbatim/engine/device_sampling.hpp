// Which rows of a step a backend that samples (kernel/sampling.hpp) may finish by itself, and what it is asked for each. The bits are the
// same wherever a row is finished.
#pragma once
#include <type_traits>

#include "verbatim/engine/pipeline.hpp"
#include "verbatim/kernel/sampling.hpp"

namespace verbatim::detail {

/// Whether P's backend samples, and P's chain is the one whose bits it has. It then starts a step before the one before is finished, too.
template <class P, class Model> concept samples_on_device =
    std::is_same_v<typename P::sampler, full_sampler> &&
    requires(Model& m, step const& s, std::span<kernel::sampling_row const> wanted, std::span<kernel::sampling_result> results) {
      m.start(s, wanted), m.finish(results);
    };

template <class... Stages> bool any_active(sampling_params const& p, row_history const& h, int position) {
  return (is_active<Stages>(prepare_stage<Stages>(p, h, position)) || ...);
}

/// The job of a row that samples the token of `position`; it wants nothing where a stage that only the host has is active. The history may
/// lack the last token, which a step in flight samples: a stage that will not be active then may be taken for active, never the other way
/// round, and nothing that the job says depends on it. So the job is known when the step is planned.
inline kernel::sampling_row sampling_row_of(sampling_params const& p, row_history const& h, int position, token given, bool raw) {
  if (any_active<logit_bias, bad_words, min_tokens, repetition_penalty, presence_penalty, frequency_penalty>(p, h, position)) return {};
  auto const noise = gumbel::prepare(p, h, position);
  return {.wanted = kernel::sampling_row::what::sample, .target = given, .temperature = temperature::prepare(p, h).value, .top_k = top_k::prepare(p, h).k,
          .top_p = top_p::prepare(p, h).p, .min_ratio = min_p::prepare(p, h).log_ratio, .noise = noise.noise, .position = noise.position, .seed = noise.seed, .raw = raw};
}

}  // namespace verbatim::detail
