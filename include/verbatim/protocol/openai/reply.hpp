// One answer on its way: what a transport polls. It is empty at first, then either a whole response or a running
// generation whose events it turns into bytes on the thread that writes them.
// Threads: `poll`, `head` and `heartbeat` from one thread at a time (the connection's strand); `respond` and `run` once, from
// a worker; `deliver` on the engine's thread; `cancel` from anywhere.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "verbatim/protocol/openai/chat_answer.hpp"
#include "verbatim/protocol/openai/completion_answer.hpp"
#include "verbatim/protocol/openai/gather.hpp"

namespace verbatim::openai_v1 {

template <class Text, class Filter> class reply {
 public:
  using chat_gather = gather<chat_answer<Text, Filter>>;
  using completion_gather = gather<completion_answer<Text, Filter>>;

  reply(http_request asked, waker wake, std::size_t pending_bytes)
      : box_(std::move(wake), pending_bytes), asked_(std::move(asked)), arrival_(clock::now()) {}

  // ---- the transport's side
  bool needs_work() const noexcept { return phase_.load(std::memory_order_acquire) == phase::pending; }
  http_head const& head() const noexcept { return response_.head; }
  void cancel() noexcept { box_.cancel(); }
  void heartbeat(std::string& out) const { out += ":\n\n"; }
  void beat() {
    std::function<void()> tick;
    {
      std::lock_guard lock(tick_mutex_);
      tick = tick_;
    }
    if (tick) tick();
  }

  /// What has been polled, of a generation.
  token_counts tokens() const noexcept {
    if (phase_.load(std::memory_order_acquire) != phase::running) return {};
    return std::visit([](auto const& g) -> token_counts {
      if constexpr (requires { g.counted(); }) return {true, g.counted().prompt_tokens, g.counted().completion_tokens};
      else return {};
    }, gather_);
  }

  reply_state poll(std::string& out) {
    switch (phase_.load(std::memory_order_acquire)) {
      case phase::pending: return reply_state::waiting;
      case phase::answered:
        out += response_.body;
        response_.body.clear();
        return reply_state::complete;
      default: return std::visit([&](auto& g) { return drain(g, out); }, gather_);
    }
  }

  // ---- the service's side
  http_request& asked() noexcept { return asked_; }
  clock::time_point arrival() const noexcept { return arrival_; }
  bool abandoned() const noexcept { return box_.cancelled(); }
  answer_shape& shape() noexcept { return shape_; }
  mailbox& box() noexcept { return box_; }
  void add_header(std::string name, std::string value) { headers_.emplace_back(std::move(name), std::move(value)); }

  /// `tick` is called while the answer is awaited. Thread-safe.
  void on_beat(std::function<void()> tick) {
    std::lock_guard lock(tick_mutex_);
    tick_ = std::move(tick);
  }
  void respond(http_response r) {
    r.head.headers.insert(r.head.headers.end(), headers_.begin(), headers_.end());
    response_ = std::move(r);
    phase_.store(phase::answered, std::memory_order_release);
    box_.wake();
  }
  /// Prepares for events; `started` makes them visible to the transport.
  template <class Gather> void expect(Gather g) { gather_.template emplace<Gather>(std::move(g)); }
  void started() {
    if (shape_.stream) {
      response_.head.stream = true;
      response_.head.content_type = "text/event-stream; charset=utf-8";
      response_.head.headers = {{"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
    }
    response_.head.headers.insert(response_.head.headers.end(), headers_.begin(), headers_.end());
    phase_.store(phase::running, std::memory_order_release);
    box_.wake();
  }

 private:
  enum class phase : std::uint8_t { pending, answered, running };

  reply_state drain(std::monostate&, std::string&) { return reply_state::waiting; }
  template <class Gather> reply_state drain(Gather& g, std::string& out) {
    bool const sound = box_.take(events_);
    // Where events were lost, the last one must not make what is left look whole.
    if (!sound) g.fail({503, "the reader of this answer fell too far behind", "", "slow_reader"}, out);
    for (kept_event& e : events_) {
      if (g.complete()) break;
      g.push(e, out);
    }
    if (!g.complete()) return shape_.stream ? reply_state::streaming : reply_state::waiting;
    if (g.failure()) box_.cancel();
    if (shape_.stream) return reply_state::complete;
    if (g.failure()) {
      http_response r = error_response(*g.failure(), shape_.status_codes);
      r.head.headers.insert(r.head.headers.end(), headers_.begin(), headers_.end());
      response_.head = std::move(r.head);
      out += r.body;
    } else {
      g.whole(out);
    }
    return reply_state::complete;
  }

  std::mutex tick_mutex_;
  std::function<void()> tick_;
  mailbox box_;
  http_request asked_;
  clock::time_point arrival_;
  answer_shape shape_;
  http_response response_;
  std::vector<std::pair<std::string, std::string>> headers_;
  std::variant<std::monostate, chat_gather, completion_gather> gather_;
  std::vector<kept_event> events_;
  std::atomic<phase> phase_{phase::pending};
};

}  // namespace verbatim::openai_v1
