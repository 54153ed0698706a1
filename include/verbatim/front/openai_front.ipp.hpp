// The members of openai_front, all that includes Boost (core/separate.hpp says who includes this; there, whoever includes it
// also instantiates: template class verbatim::openai_front<Text, Chat>).
#pragma once
#include <atomic>
#include <boost/asio/signal_set.hpp>
#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "verbatim/front/openai_front.hpp"
#include "verbatim/protocol/openai/service.hpp"
#include "verbatim/transport/http.hpp"

namespace verbatim {

template <class Text, class Chat> struct openai_front<Text, Chat>::impl {
  impl(Text const& text, Chat const* chat, inbox& jobs, model_card card, openai const& o)
      : options_(&o), jobs_(&jobs), service_(text, chat, jobs, std::move(card), service(o)), server_(service_, http(o)), signals_(server_.io()) {
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
    if (server_.active() > 0 && clock::now() >= *until_ && !std::exchange(aborted_, true)) {
      log("ending what still runs: its clients get what there is, with finish_reason \"abort\"");
      jobs_->command_engine(orders::abort{}, nullptr);
      until_ = clock::now() + farewell;
    }
    return server_.active() > 0 && clock::now() < *until_;
  }
  /// Closes all connections, those too whose clients do not read their answers' ends.
  void stop() {
    if (int const left = server_.active(); left > 0) log("unfinished answers that are cut off: " + std::to_string(left));
    server_.stop();
    log("stopped");
  }

  static openai_v1::service_options service(openai const& o) {
    return {.api_keys = o.api_keys, .strict = o.strict, .local_hosts_only = o.api_keys.empty() && !o.allow_open, .admin_keys = o.admin_keys,
            .refit_bytes = o.refit_bytes, .health_patience = o.health_patience, .answers = o.answers, .template_kwargs = o.template_kwargs, .pinned = o.pinned,
            .bounds = o.bounds, .reasoning_parser = o.reasoning_parser, .tool_parser = o.tool_parser};
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
    int const running = server_.active();
    log("draining: no new requests; " + std::to_string(running) + " running ones have " +
        std::to_string(std::chrono::duration_cast<std::chrono::seconds>(options_->drain_time).count()) + " s to end; a second signal ends at once");
    service_.drain();
    server_.drain();
  }
  void log(std::string const& line) const {
    if (options_->log) options_->log(line);
  }

  static constexpr std::chrono::seconds farewell{2};   ///< for the last bytes of answers that were ended

  openai const* options_;
  inbox* jobs_;
  openai_v1::service<Text, Chat> service_;
  http_server<openai_v1::service<Text, Chat>> server_;
  boost::asio::signal_set signals_;
  std::atomic<bool> draining_{false};
  bool aborted_ = false;
  std::optional<clock::time_point> until_;
};

template <class Text, class Chat> openai_front<Text, Chat>::openai_front(Text const& text, Chat const* chat, inbox& jobs, model_card card, openai const& o)
    : self_(std::make_unique<impl>(text, chat, jobs, std::move(card), o)) {}
template <class Text, class Chat> openai_front<Text, Chat>::~openai_front() = default;
template <class Text, class Chat> bool openai_front<Text, Chat>::serving() { return self_->serving(); }
template <class Text, class Chat> void openai_front<Text, Chat>::stop() { self_->stop(); }

}  // namespace verbatim
