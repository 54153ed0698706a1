// serve_with(engine, openai{…}): an OpenAI-compatible HTTP server over anything that drives like an engine. The calling
// thread only computes: sockets, JSON and tokenisation have threads of their own. What includes Boost is instantiated per
// tokenizer, not per pipeline. Loopback by default; an address that others can reach needs an API key or `allow_open`.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/core/separate.hpp"
#include "verbatim/engine/inbox.hpp"
#include "verbatim/protocol/model_card.hpp"
#include "verbatim/protocol/openai/answer.hpp"
#include "verbatim/protocol/openai/parsers.hpp"
#include "verbatim/protocol/openai/pinned_sampling.hpp"
#include "verbatim/protocol/openai/routes.hpp"
#include "verbatim/transport/http_options.hpp"

namespace verbatim {

/// Where and how to serve.
struct openai {
  std::string address = "127.0.0.1";
  unsigned short port = 8000;                ///< 0: any free one; `log` says which
  std::string name{};                        ///< of the model, for clients; empty: the engine's
  std::vector<std::string> api_keys{};       ///< Authorization: Bearer KEY, everywhere but on /health
  std::vector<std::string> admin_keys{};     ///< for the control routes: new weights, pauses, aborts; good for the others too
  std::size_t refit_bytes = 0;               ///< of new weights in one body; 0: three times what the model takes
  std::chrono::milliseconds health_patience{20'000};   ///< how long /health_generate waits for a token
  openai_v1::answer_defaults answers{};      ///< what answers look like; openai_v1::gym for NeMo Gym and NeMo RL
  json template_kwargs = json::object();     ///< for the chat template; a request's own win
  openai_v1::pinned_sampling pinned{};       ///< sampling values that requests must have, or get
  bool allow_open = false;                   ///< other machines may use it without a key
  bool strict = false;                       ///< unknown fields are errors
  bool handle_signals = true;                ///< SIGINT and SIGTERM drain; a second one ends the process
  std::chrono::milliseconds drain_time{30'000};   ///< for running requests after the first signal
  http_options http{};                       ///< limits and timeouts; its address and port are not used
  request_bounds bounds{};
  openai_v1::reasoning_format reasoning_parser{};   ///< of chat answers: what becomes `reasoning` …
  openai_v1::tool_format tool_parser{};             ///< … and `tool_calls`; automatic: what the chat template speaks of
  std::function<void(std::string_view)> log{};    ///< one line each; called from any thread
                                                  ///< (of requests: http.request_log)
  std::function<void(unsigned short port)> ready{};
  std::atomic<bool> const* stop = nullptr;   ///< set from outside to drain, as a signal does
};

/// Throws error("transport", 1) for an address that others can reach without a key, ("transport", 4) for an empty key.
/// ("transport", 5) for pinned sampling without a pair to pin to.
void check_exposure(openai const& o);

/// The running front: service, HTTP server and signals. `Text` and `Chat` are the pipeline's.
template <class Text, class Chat> class openai_front {
 public:
  openai_front(Text const& text, Chat const* chat, inbox& jobs, model_card card, openai const& o);
  ~openai_front();

  /// True while requests are to be served; called between steps.
  bool serving();
  /// Closes all connections; what still runs is cancelled.
  void stop();

 private:
  struct impl;
  std::unique_ptr<impl> self_;
};

/// What an engine says of its model, for the protocol.
template <class Engine> model_card card_of(Engine const& engine, openai const& o, std::int64_t created) {
  auto const& d = engine.defaults();
  model_card card;
  card.name = o.name.empty() ? engine.name() : o.name;
  card.context = engine.context();
  card.vocabulary = engine.config().vocabulary;
  if constexpr (requires { engine.max_logprobs(); }) card.max_logprobs = engine.max_logprobs();
  if constexpr (requires { engine.resources().formats; }) {
    card.contract = Engine::contract(engine.resources().formats);
    card.contract_text = Engine::contract_text(engine.resources().formats);
  } else {
    card.contract = Engine::contract();
  }
  if constexpr (requires { engine.turn_ends(); }) card.turn_ends = engine.turn_ends();
  card.created = created;
  bool const greedy = !d.do_sample.value_or(true);
  card.defaults = {.temperature = greedy ? std::optional(0.0f) : d.temperature, .top_p = d.top_p, .min_p = d.min_p, .repetition_penalty = d.repetition_penalty,
                   .top_k = d.top_k};
  return card;
}

/// Serves until a signal or `options.stop`, then drains; gives 0. Works with anything that has the members of engine<P>.
template <class Engine> int serve_with(Engine& engine, openai options) {
  check_exposure(options);
  if (options.refit_bytes == 0) {   // a checkpoint in f32 is twice as large as one in bf16
    options.refit_bytes = std::size_t(64) << 20;
    if constexpr (requires { engine.resources().weight_bytes; }) options.refit_bytes += 3 * engine.resources().weight_bytes;
  }
  openai_front front(engine.text(), engine.chat(), engine.jobs(), card_of(engine, options, openai_v1::seconds_since_1970()), options);
  constexpr std::chrono::milliseconds nap{50};   // a submission ends it at once
  while (front.serving())
    if (!engine.poll()) engine.jobs().wait(nap);
  front.stop();
  auto const until = clock::now() + std::chrono::seconds(5);
  while (engine.jobs().unfinished() > 0 && clock::now() < until) engine.poll();   // pages of what was cancelled
  return 0;
}

}  // namespace verbatim

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/front/exposure.ipp.hpp"
#include "verbatim/front/openai_front.ipp.hpp"
#endif
