// Whether tokens come out of the engine: one is asked for. Everybody who wants to know at the same time shares one probe, so an
// engine that hangs collects no requests from its watchers; who has waited too long is told so.
// Thread-safe. It outlives whoever asked: the engine may answer late.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/engine/inbox.hpp"
#include "verbatim/protocol/error_body.hpp"

namespace verbatim {

class health_probe : public std::enable_shared_from_this<health_probe> {
  using clock = std::chrono::steady_clock;

 public:
  using respond = std::function<void(http_response)>;

  explicit health_probe(std::chrono::milliseconds patience) : patience_(patience) {}

  /// Calls `to` once: 200 when a token came, for the probe or for anybody; 503 when the engine failed, or gave none for `patience`.
  /// That the time is over is noticed by `tick`.
  void ask(inbox& jobs, respond to) {
    std::unique_lock lock(mutex_);
    waiting_.push_back(std::move(to));
    if (std::exchange(running_, true)) return;
    asked_ = clock::now();
    jobs_ = &jobs;
    tokens_ = jobs.stats().generated_tokens;
    try {   // under the lock: the answer may be there before the ticket
      ticket_ = jobs.submit({.prompt = {0}, .max_tokens = 1, .ignore_eos = true}, [self = shared_from_this()](event const& e) {
        if (e.what != event::kind::finished) return;
        bool const failed = e.finish == finish_reason::error;
        self->tell(failed ? error_response({503, std::string(e.error), "", "engine_error", 1}) : well(), true);
      });
    } catch (error const& e) {   // the queue is full, or the engine ends
      lock.unlock();
      tell(error_response({503, e.what(), "", "unavailable", 1}), true);
    }
  }
  void tick() {
    bool busy = false;
    {
      std::lock_guard lock(mutex_);
      if (!running_ || clock::now() - asked_ < patience_) return;
      std::uint64_t const tokens = jobs_->stats().generated_tokens;
      busy = tokens > std::exchange(tokens_, tokens);
      if (busy) asked_ = clock::now();   // the probe waits behind others
      else ticket_.cancel();
    }
    tell(busy ? well() : error_response({503, "the engine has given no token for " + std::to_string(patience_.count()) + " ms", "", "unresponsive", 1}), false);
  }

 private:
  static http_response well() { return {{.content_type = "text/plain"}, ""}; }
  void tell(http_response const& r, bool over) {
    std::vector<respond> told;
    {
      std::lock_guard lock(mutex_);
      told.swap(waiting_);
      if (over) running_ = false;
    }
    for (auto& to : told) to(r);
  }

  std::chrono::milliseconds const patience_;
  std::mutex mutex_;
  std::vector<respond> waiting_;
  ticket ticket_;
  inbox const* jobs_ = nullptr;
  std::uint64_t tokens_ = 0;   // that the engine had given when it was last looked at
  clock::time_point asked_{};
  bool running_ = false;   // the engine has not answered yet
};

}  // namespace verbatim
