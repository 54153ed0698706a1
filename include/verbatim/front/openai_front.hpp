// serve_with(engine, openai{…}): an OpenAI-compatible HTTP server over anything that drives like an engine. The calling
// thread only computes: sockets, JSON and tokenisation have threads of their own. What includes Boost is instantiated per
// tokenizer, not per pipeline. Loopback by default; an address that others can reach needs an API key or `allow_open`.
#pragma once
#include <atomic>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/engine/inbox.hpp"
#include "verbatim/protocol/openai/service.hpp"
#include "verbatim/transport/http.hpp"

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
  std::function<void(unsigned short port)> ready{};
  std::atomic<bool> const* stop = nullptr;   ///< set from outside to drain, as a signal does
};

/// Throws error("transport", 1) for an address that others can reach without a key, ("transport", 4) for an empty key.
/// ("transport", 5) for pinned sampling without a pair to pin to.
inline void check_exposure(openai const& o) {
  for (auto const* keys : {&o.api_keys, &o.admin_keys})
    for (auto const& key : *keys)
      if (key.empty()) throw error("transport", 4, "an API key is empty");
  if (o.pinned.mode != openai_v1::pinning::off && o.pinned.allowed.empty())
    throw error("transport", 5, "sampling is pinned, but no pair of temperature and top_p is given");
  if (!bind_address(o.address).is_loopback() && o.api_keys.empty() && !o.allow_open)
    throw error("transport", 1, "other machines can reach " + o.address + ": ask for a key (api_keys, --api-key KEY) or say that access is open (allow_open, --allow-open)");
}

/// The running front: service, HTTP server and signals. `Text` and `Chat` are the pipeline's.
template <class Text, class Chat> class openai_front {
 public:
  openai_front(Text const& text, Chat const* chat, inbox& jobs, model_card card, openai const& o)
      : options_(&o), service_(text, chat, jobs, std::move(card), service(o)), server_(service_, http(o)), signals_(server_.io()) {
    if (o.handle_signals) wait_for_signal();
    log("serving '" + service_.card().name + "' on http://" + (o.address.find(':') == o.address.npos ? o.address : "[" + o.address + "]") +
        ":" + std::to_string(server_.port()) + "/v1 (contract " + fingerprint(service_.card().contract).substr(3) + ")");
    if (o.ready) o.ready(server_.port());
  }

  /// True while requests are to be served; called between steps.
  bool serving() {
    if (options_->stop && options_->stop->load(std::memory_order_relaxed)) drain();
    if (!draining_.load(std::memory_order_relaxed)) return true;
    if (!until_) until_ = clock::now() + options_->drain_time;
    return server_.active() > 0 && clock::now() < *until_;
  }
  /// Closes all connections; what still runs is cancelled.
  void stop() {
    if (int const left = server_.active(); left > 0) log("cancelling " + std::to_string(left) + " requests");
    server_.stop();
    log("stopped");
  }

 private:
  static openai_v1::service_options service(openai const& o) {
    return {.api_keys = o.api_keys, .strict = o.strict, .local_hosts_only = o.api_keys.empty() && !o.allow_open, .admin_keys = o.admin_keys, .refit_bytes = o.refit_bytes, .health_patience = o.health_patience, .answers = o.answers, .template_kwargs = o.template_kwargs, .pinned = o.pinned, .bounds = o.bounds,
            .reasoning_parser = o.reasoning_parser, .tool_parser = o.tool_parser};
  }
  static http_options http(openai const& o) {
    http_options h = o.http;
    h.address = o.address;
    h.port = o.port;
    return h;
  }
  void wait_for_signal() {
    signals_.add(SIGINT);
    signals_.add(SIGTERM);
    signals_.async_wait([this](boost::system::error_code ec, int) {
      if (ec) return;
      boost::system::error_code ignored;
      signals_.clear(ignored);   // the next one does what signals do by default: it ends the process
      drain();
    });
  }
  void drain() {
    if (draining_.exchange(true)) return;
    log("draining: no new requests; a second signal ends at once");
    service_.drain();
    server_.drain();
  }
  void log(std::string const& line) const {
    if (options_->log) options_->log(line);
  }

  openai const* options_;
  openai_v1::service<Text, Chat> service_;
  http_server<openai_v1::service<Text, Chat>> server_;
  boost::asio::signal_set signals_;
  std::atomic<bool> draining_{false};
  std::optional<clock::time_point> until_;
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
  card.defaults = {.temperature = greedy ? std::optional(0.0f) : d.temperature, .top_p = d.top_p, .min_p = d.min_p, .repetition_penalty = d.repetition_penalty, .top_k = d.top_k};
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
