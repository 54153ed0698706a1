// The engine's bookkeeping of requests: a group is one request, a continuation is one of its `count` answers.
// Everything here is created when a request is taken in, so that the step loop itself allocates nothing.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "verbatim/core/token.hpp"
#include "verbatim/engine/inbox.hpp"
#include "verbatim/engine/stop_text.hpp"
#include "verbatim/sampling/params.hpp"

namespace verbatim::detail {

/// One request and what its continuations share.
struct group {
  job source;
  std::uint64_t arrival = 0;
  int open = 0;                            ///< continuations that have not finished
  bool counted = false;                    ///< the inbox knows that it is done
  int scored = 1;                          ///< prompt positions whose log-probability is known (position 0 has none)
  int scored_top = 0;                      ///< alternatives kept per prompt position
  std::vector<token> stops;                ///< token ids that end a continuation
  std::vector<scored_token> prompt;        ///< if prompt_logprobs were asked for: one per prompt token
  std::vector<score> prompt_top;           ///< [prompt tokens][scored_top], what `prompt[i].top` views

  request const& ask() const { return source.ask; }
  bool cancelled() const { return source.state->cancelled.load(std::memory_order_relaxed); }
  bool wants_prompt() const { return ask().prompt_logprobs >= 0; }
  bool prompt_done() const { return !wants_prompt() || scored >= int(ask().prompt.size()); }
};

/// One output token as it was found for a row of logits: sampled, or given by the request.
struct drawn {
  sampled token{-1, 0, 0};
  float raw = 0;          ///< logprobs_mode::both: its log-probability under the model's own distribution
  bool forced = false;
};

/// Where a continuation is. `forking`: waits for the group's first continuation to finish the common prompt.
enum class phase : std::uint8_t { waiting, running, forking, finished };

/// One answer in the making. `Stream` is the tokenizer's streaming detokeniser.
template <class Stream> struct continuation {
  std::shared_ptr<group> owner;
  int index = 0;
  phase state = phase::waiting;
  std::vector<token> ids;                  ///< prompt, then output; capacity for all of it from the start
  sampling_params sampling;                ///< the request's, with this continuation's own seed
  sequence handle{};                       ///< valid while running
  int computed = 0;                        ///< tokens whose KV is in the pages of `handle`, once the steps in flight are done
  int pending = -1;                        ///< the output of the step in flight that samples its next token, which will be computed; -1: none
  int cached = 0;                          ///< prompt tokens that the prefix index gave when it was first admitted
  int passed = 0;                          ///< how often batch::passed has named it
  bool announced = false;                  ///< its `started` event is out
  bool entered = false;                    ///< it has run: a pause that waits lets it come to its end
  std::optional<Stream> stream;
  std::optional<stop_text> stop;
  std::vector<std::uint16_t> output_counts;
  std::vector<std::uint8_t> in_prompt;

  int prompt_size() const { return int(owner->ask().prompt.size()); }
  int output_size() const { return int(ids.size()) - prompt_size(); }
  /// Tokens that can be computed: those of `ids`, and one that only the device knows.
  int known() const { return int(ids.size()) + (pending >= 0); }
  /// The token of a position of the output where the request gives it, else -1.
  token given(int position) const {
    auto const& forced = owner->ask().forced;
    std::size_t const at = std::size_t(position - prompt_size());
    return at < forced.size() ? forced[at] : -1;
  }
  row_history history() const {
    std::span<token const> const all(ids);
    auto const n = owner->ask().prompt.size();
    return {all.first(n), all.subspan(n), owner->stops, output_counts.empty() ? nullptr : output_counts.data(),
            in_prompt.empty() ? nullptr : in_prompt.data()};
  }
  void append(token id) {
    ids.push_back(id);
    if (!output_counts.empty()) {
      auto& n = output_counts[std::size_t(id)];
      n = std::uint16_t(std::min<int>(n + 1, std::numeric_limits<std::uint16_t>::max()));
    }
  }
};

/// Counting tables for penalties exist only where a request uses a penalty: they are vocabulary-sized.
template <class Stream> void prepare_counts(continuation<Stream>& c, int vocabulary) {
  sampling_params const& s = c.sampling;
  if (s.repetition_penalty == 1.0f && s.presence_penalty == 0.0f && s.frequency_penalty == 0.0f) return;
  c.output_counts.assign(std::size_t(vocabulary), 0);
  c.in_prompt.assign(std::size_t(vocabulary), 0);
  for (token id : c.owner->ask().prompt) c.in_prompt[std::size_t(id)] = 1;
}

}  // namespace verbatim::detail
