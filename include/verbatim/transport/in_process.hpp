// The handler without sockets: for tests, and for programs that want the wire format in their own process.
// One call at a time per object costs one thread switch per batch of events; calls from several threads are independent.
#pragma once
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "verbatim/protocol/exchange.hpp"

namespace verbatim {

template <http_handler Handler> class in_process {
 public:
  explicit in_process(Handler& handler) : handler_(&handler) {}

  /// The whole answer; blocks until it is there. Another thread must drive the engine.
  http_response call(http_request r) {
    http_response out;
    out.head = stream(std::move(r), [&](std::string_view bytes) {
      out.body += bytes;
      return true;
    });
    return out;
  }
  /// `on_bytes(bytes)` gets the body as it comes; false from it is a client that goes away. The head comes at the end.
  template <class OnBytes> http_head stream(http_request r, OnBytes on_bytes) {
    if (auto refused = handler_->admit(r)) {
      on_bytes(std::string_view(refused->body));
      return refused->head;
    }
    auto const signal = std::make_shared<wake_up>();
    auto const reply = handler_->open(std::move(r), [signal] { signal->set(); });
    if (reply->needs_work()) handler_->work(reply);
    for (std::string bytes;;) {
      bytes.clear();
      reply_state const state = reply->poll(bytes);
      if (!bytes.empty() && !on_bytes(std::string_view(bytes))) {
        reply->cancel();
        return reply->head();
      }
      if (state == reply_state::complete) return reply->head();
      signal->wait();
    }
  }

 private:
  struct wake_up {
    void set() {
      { std::lock_guard lock(mutex); ready = true; }
      changed.notify_one();
    }
    void wait() {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return ready; });
      ready = false;
    }
    std::mutex mutex;
    std::condition_variable changed;
    bool ready = false;
  };
  Handler* handler_;
};

}  // namespace verbatim
