// Which rows of a step a backend that samples (kernel/sampling.hpp) may finish by itself, and what it is asked for each. The bits are the
// same wherever a row is finished.
#pragma once
#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include "verbatim/engine/pipeline.hpp"
#include "verbatim/kernel/sampling.hpp"
#include "verbatim/sampling/greedy.hpp"

namespace verbatim::detail {

template <class... Stages> struct stages_of;
template <class... Stages> struct stages_of<sample<Stages...>> {
  template <class S> static constexpr bool has = (std::is_same_v<S, Stages> || ...);
  /// Where S stands among them; behind the last where it does not.
  template <class S> static consteval int place() {
    int at = 0;
    ((std::is_same_v<S, Stages> ? true : (++at, false)) || ...);
    return at;
  }
  /// Whether each is a stage of the full sampler, in its order, or greedy in the selector's place.
  static consteval bool some_of_full() {
    int last = -1;
    return ([&](int at) { return at < int(stages_of<full_sampler>::count) && std::exchange(last, at) < at; }(
                stages_of<full_sampler>::template place<std::conditional_t<std::is_same_v<Stages, greedy>, gumbel, Stages>>()) && ...);
  }
  static constexpr std::size_t count = sizeof...(Stages);
};

/// Whether P's backend samples, and P's chain is one whose bits it has: the full sampler's stages, or some of them. It then starts a step
/// before the one before is finished, too. A chain with a stage of another kind has its rows finished by the host.
template <class P, class Model> concept samples_on_device =
    stages_of<typename P::sampler>::some_of_full() &&
    requires(Model& m, step const& s, std::span<kernel::sampling_row const> wanted, std::span<kernel::sampling_result> results) {
      m.start(s, wanted), m.finish(results);
    };

/// What S needs for a row, or what leaves a row alone where the chain lacks S.
template <class Chain, class S> typename S::params prepared(sampling_params const& p, row_history const& h, int position) {
  if constexpr (stages_of<Chain>::template has<S>) return prepare_stage<S>(p, h, position);
  else return {};
}
template <class Chain, class... Stages> bool any_active(sampling_params const& p, row_history const& h, int position) {
  return ((stages_of<Chain>::template has<Stages> && is_active<Stages>(prepared<Chain, Stages>(p, h, position))) || ...);
}

/// The job of a row that samples the token of `position`; it wants nothing where a stage that only the host has is active. The history may
/// lack the last token, which a step in flight samples: a stage that will not be active then may be taken for active, never the other way
/// round, and nothing that the job says depends on it. So the job is known when the step is planned.
template <class Chain = full_sampler>
kernel::sampling_row sampling_row_of(sampling_params const& p, row_history const& h, int position, token given, bool raw) {
  if (any_active<Chain, logit_bias, bad_words, min_tokens, repetition_penalty, presence_penalty, frequency_penalty>(p, h, position)) return {};
  auto const noise = gumbel::prepare(p, h, position);
  return {.wanted = kernel::sampling_row::what::sample, .target = given, .temperature = prepared<Chain, temperature>(p, h, position).value,
          .top_k = prepared<Chain, top_k>(p, h, position).k, .top_p = prepared<Chain, top_p>(p, h, position).p,
          .min_ratio = prepared<Chain, min_p>(p, h, position).log_ratio, .noise = stages_of<Chain>::template has<gumbel> ? noise.noise : 0,
          .position = noise.position, .seed = noise.seed, .raw = raw};
}

}  // namespace verbatim::detail
