// What goes into an engine and what comes out: requests, events and the sink that receives them.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/token.hpp"
#include "verbatim/sampling/params.hpp"

namespace verbatim {

/// Of which distribution a token's log-probability is reported. processed: of the one sampled from, after penalties,
/// temperature, masks and truncation. raw: of the model's logits before any of them, at temperature 1. both: processed, and
/// raw beside it (event::raw_logprob).
enum class logprobs_mode : std::uint8_t { processed, raw, both };

/// One request: a prompt in token ids and how to continue it. It owns all that it names.
struct request {
  std::vector<token> prompt{};              ///< at least one token
  int max_tokens = 128;                     ///< 0: score the prompt only
  int count = 1;                            ///< how many continuations; the k-th uses a seed derived from (seed, k)
  sampling_params sampling{};
  /// The first output tokens, given instead of sampled (replay): reported like sampled ones, with the log-probabilities that
  /// sampling them would have had, and flagged. They end nothing before the last of them; then sampling goes on.
  std::vector<token> forced{};
  logprobs_mode logprobs = logprobs_mode::processed;   ///< of output tokens and their alternatives
  std::vector<std::string> stop{};          ///< stop strings, matched over the detokenised output
  std::vector<token> stop_token_ids{};      ///< besides the model's end-of-sequence ids
  bool ignore_eos = false;
  bool include_stop_text = false;           ///< keep the matched stop string in the text
  bool skip_special_tokens = true;          ///< in the text; ids are always complete
  int top_logprobs = -1;                    ///< -1: none; N >= 0: the N most likely alternatives of each output token
  int prompt_logprobs = -1;                 ///< -1: none; N >= 0: log-probability of each prompt token, and its top N
};

enum class finish_reason : std::uint8_t { none, stop, length, cancelled, error };

/// Log-probability of one prompt token given those before it, under the model's own distribution (temperature 1).
struct scored_token {
  sampled token;
  std::span<score const> top;   ///< descending; ties by ascending id
};

/// What happened to one continuation in one step. Spans and views live only during the call of the sink.
struct event {
  enum class kind : std::uint8_t {
    started,   ///< once per continuation, before its first token: `prompt` (if asked for), `prompt_tokens`, `cached_tokens`
    token,     ///< one output token; `text` is what it released (may be empty, may span earlier tokens)
    finished,  ///< once, last: `finish`, and `text` that was still held back
  };
  kind what = kind::token;
  int index = 0;                              ///< which continuation, 0 <= index < request.count
  sampled sample{-1, 0, 0};
  std::span<score const> top{};               ///< (log-probability, id), descending
  float raw_logprob = 0;                      ///< logprobs_mode::both: of the sample, under the model's own distribution
  bool forced = false;                        ///< the policy did not sample this token
  std::uint64_t weights = 0;                  ///< which weights computed it: a number for weight_versions::label
  std::string_view text{};                    ///< valid UTF-8, never a split code point
  finish_reason finish = finish_reason::none;
  token stop_token = -1;                      ///< the stop token that ended it (end-of-sequence ids included), else -1
  std::string_view stop_text{};               ///< the stop string that ended it, else empty
  std::span<scored_token const> prompt{};     ///< element 0 is a hole: id = prompt[0], logprob = 0
  int prompt_tokens = 0;
  int cached_tokens = 0;                      ///< prompt tokens whose KV came from the prefix index
  std::string_view error{};                   ///< finish == error: why, `[verbatim.area.number] …`
};

/// Receives the events of one request on the thread that drives the engine. It must not block; it may throw nothing.
using event_sink = std::function<void(event const&)>;

/// The caller's end of a submitted request. Dropping it does not cancel.
class ticket {
 public:
  /// Asks the engine to stop this request, queued or running; its pages return in the next step. Thread-safe.
  void cancel() const noexcept { if (state_) state_->cancelled.store(true, std::memory_order_relaxed); }
  std::uint64_t id() const noexcept { return state_ ? state_->id : 0; }

  struct shared {
    std::uint64_t id = 0;
    std::atomic<bool> cancelled{false};
  };
  ticket() = default;
  explicit ticket(std::shared_ptr<shared> s) : state_(std::move(s)) {}

 private:
  std::shared_ptr<shared> state_;
};

/// A snapshot of an engine's counters, for /metrics and benchmarks. Counts are since construction.
struct engine_stats {
  int running = 0, waiting = 0;                 ///< sequences now
  int pages_total = 0, pages_used = 0;          ///< KV pages held by sequences (cached but unreferenced pages are free)
  std::uint64_t steps = 0, prompt_tokens = 0, generated_tokens = 0, cached_tokens = 0;
  std::uint64_t finished_stop = 0, finished_length = 0, finished_cancelled = 0, finished_error = 0;
  std::uint64_t preemptions = 0, prefix_queries = 0 /* tokens asked */, prefix_hits = 0 /* tokens found */;
  std::uint64_t refits = 0;
  bool paused = false;
};

}  // namespace verbatim
