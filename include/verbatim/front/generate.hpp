// The in-process generator: requests in, completions out, on the calling thread. Uses only the engine's public surface.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "verbatim/engine/engine.hpp"

namespace verbatim {

/// Output tokens [begin, end) of a continuation that the same weights computed.
struct weight_span {
  std::string version{};                 ///< their label
  std::uint64_t number = 0;              ///< and their number, which no other weights of the engine have
  int begin = 0, end = 0;
};

/// One finished continuation.
struct completion {
  std::size_t request = 0;               ///< index into the requests given
  int index = 0;                         ///< which of that request's `count`
  std::vector<token> ids{};              ///< output tokens, a stop token included
  std::vector<float> logprobs{};         ///< of each output token, as the request's `logprobs` asks
  std::vector<float> raw_logprobs{};     ///< logprobs_mode::both: of each output token, under the model's own distribution
  int forced = 0;                        ///< how many tokens at the beginning were given, not sampled
  std::vector<weight_span> weights{};    ///< which weights computed which tokens
  std::string text{};                    ///< empty when the model brings no tokenizer
  finish_reason finish = finish_reason::none;
  token stop_token = -1;
  std::string error{};                   ///< finish == error: why
};

/// Runs all requests to their end, batched together. Returns request by request, each with its continuations in order.
/// In an engine that is paused they end as cancelled, with what they have.
/// Drives the engine: nothing else may poll it meanwhile. Throws error("engine", 1 | 2) when the queue refuses.
template <class P> std::vector<completion> generate(engine<P>& engine, std::span<request const> requests) {
  std::vector<completion> out;
  std::vector<std::size_t> first;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    first.push_back(out.size());
    for (int k = 0; k < std::max(1, requests[r].count); ++k) out.push_back({.request = r, .index = k});
  }
  std::size_t open = out.size();
  auto const note = [&](completion& c, event const& e) {
    if (c.weights.empty() || c.weights.back().number != e.weights)
      c.weights.push_back({engine.jobs().versions().label(e.weights), e.weights, int(c.ids.size()), 0});
    c.ids.push_back(e.sample.id);
    c.weights.back().end = int(c.ids.size());
    c.logprobs.push_back(e.sample.logprob);
    if (requests[c.request].logprobs == logprobs_mode::both) c.raw_logprobs.push_back(e.raw_logprob);
    c.forced += e.forced;
  };
  std::vector<ticket> tickets;
  try {
    for (std::size_t r = 0; r < requests.size(); ++r)
      tickets.push_back(engine.submit(requests[r], [&out, &open, &note, at = first[r]](event const& e) {
        completion& c = out[at + std::size_t(e.index)];
        c.text += e.text;
        if (e.what == event::kind::token) {
          note(c, e);
        } else if (e.what == event::kind::finished) {
          c.finish = e.finish;
          c.stop_token = e.stop_token;
          c.error = e.error;
          --open;
        }
      }));
  } catch (...) {   // the sinks refer to this frame: nothing may outlive it
    for (auto const& t : tickets) t.cancel();
    while (engine.poll()) {}
    throw;
  }
  while (open > 0 && engine.poll()) {}
  if (open > 0) {   // the engine is paused (or a count beyond its limit was refused): the sinks end with this frame
    for (auto const& t : tickets) t.cancel();
    engine.poll();
  }
  for (completion& c : out)   // the engine refuses a count beyond its limit once for each continuation that it has
    if (c.finish == finish_reason::none) c.finish = finish_reason::error, c.error = out[first[c.request]].error;
  return out;
}

/// One request.
template <class P> std::vector<completion> generate(engine<P>& engine, request const& one) {
  return generate(engine, std::span<request const>(&one, 1));
}

}  // namespace verbatim
