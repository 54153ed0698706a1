// From a valid request to the engine's bookkeeping. All memory that a request will need is taken here, once.
#pragma once
#include <algorithm>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "verbatim/engine/continuation.hpp"
#include "verbatim/engine/validate.hpp"
#include "verbatim/sampling/seed.hpp"

namespace verbatim::detail {

/// `eos`: the model's end-of-sequence ids. The caller gives it its job (`source`).
inline std::shared_ptr<group> make_group(request const& r, std::vector<token> const& eos, std::uint64_t arrival) {
  auto g = std::make_shared<group>();
  g->arrival = arrival;
  g->open = r.count;
  if (!r.ignore_eos) g->stops = eos;
  g->stops.insert(g->stops.end(), r.stop_token_ids.begin(), r.stop_token_ids.end());
  return g;
}

/// The prompt, with room for the whole output.
template <class Stream> void prepare_ids(continuation<Stream>& c, int context) {
  request const& r = c.owner->ask();
  c.ids.reserve(r.prompt.size() + std::min(std::size_t(context) - r.prompt.size(), std::size_t(r.max_tokens)));
  c.ids.insert(c.ids.end(), r.prompt.begin(), r.prompt.end());
}

/// Continuation `index` of a group; the first waits to run, the others for its prompt.
template <class Stream>
std::unique_ptr<continuation<Stream>> make_continuation(std::shared_ptr<group> const& g, int index, request_limits const& limits) {
  auto c = std::make_unique<continuation<Stream>>();
  request const& r = g->ask();
  c->owner = g;
  c->index = index;
  c->state = index == 0 ? phase::waiting : phase::forking;
  if (index == 0) prepare_ids(*c, limits.context);   // siblings get theirs when they fork: a queue holds prompts once
  c->sampling = r.sampling;
  c->sampling.seed = choice_seed(r.sampling.seed, index);
  c->stop.emplace(r.stop, r.include_stop_text);
  if (limits.has_text) c->stream.emplace(r.skip_special_tokens);
  return c;
}

/// Room for the log-probabilities of the prompt. The top spans view the group's own storage.
inline void prepare_scores(group& g) {
  std::size_t const n = g.ask().prompt.size(), alternatives = std::size_t(g.ask().prompt_logprobs);
  g.scored_top = g.ask().prompt_logprobs;
  g.prompt_top.resize(n * alternatives);
  g.prompt.resize(n);
  for (std::size_t i = 0; i < n; ++i)
    g.prompt[i] = {{g.ask().prompt[i], 0, 0}, std::span<score const>(g.prompt_top).subspan(i * alternatives, i ? alternatives : 0)};
}

}  // namespace verbatim::detail
