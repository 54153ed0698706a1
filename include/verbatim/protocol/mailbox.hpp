// From the engine's thread to the thread that writes an answer: events are copied into a queue, and the reader is woken
// once per emptied queue, not once per token, so all that happened since the last write goes out together.
// Invariants: `deliver` never blocks on the reader and never throws; a reader that falls `limit` bytes behind gets its
// request cancelled; `cancel` reaches tickets that are attached later, too.
#pragma once
#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "verbatim/engine/request.hpp"
#include "verbatim/protocol/exchange.hpp"

namespace verbatim {

using clock = std::chrono::steady_clock;

/// A `scored_token` that owns its alternatives.
struct kept_score {
  sampled token{-1, 0, 0};
  std::vector<score> top{};
};

/// An `event` that owns what it names.
struct kept_event {
  event::kind what = event::kind::token;
  int choice = 0;                      ///< over all prompts of the request
  sampled sample{-1, 0, 0};
  std::vector<score> top{};
  float raw_logprob = 0;
  bool forced = false;
  std::uint64_t weights = 0;
  std::string text{};
  finish_reason finish = finish_reason::none;
  token stop_token = -1;
  std::string stop_text{}, error{};
  std::vector<kept_score> prompt{};
  int prompt_tokens = 0, cached_tokens = 0;
  clock::time_point when{};

  std::size_t bytes() const noexcept {
    return sizeof *this + top.size() * sizeof(score) + text.size() + error.size();
  }
};

inline kept_event keep(event const& e, int first_choice) {
  kept_event k;
  k.what = e.what;
  k.choice = first_choice + e.index;
  k.sample = e.sample;
  k.top.assign(e.top.begin(), e.top.end());
  k.raw_logprob = e.raw_logprob;
  k.forced = e.forced;
  k.weights = e.weights;
  k.text = e.text;
  k.finish = e.finish;
  k.stop_token = e.stop_token;
  k.stop_text = e.stop_text;
  k.error = e.error;
  for (scored_token const& s : e.prompt) k.prompt.push_back({s.token, {s.top.begin(), s.top.end()}});
  k.prompt_tokens = e.prompt_tokens;
  k.cached_tokens = e.cached_tokens;
  k.when = clock::now();
  return k;
}

class mailbox {
 public:
  mailbox(waker wake, std::size_t limit) : wake_(std::move(wake)), limit_(limit) {}

  /// Engine thread.
  void deliver(event const& e, int first_choice) noexcept {
    try {
      kept_event k = keep(e, first_choice);
      bool first, over;
      {
        std::lock_guard lock(mutex_);
        first = queue_.empty();
        bytes_ += k.bytes();
        over = bytes_ > limit_ && e.what == event::kind::token;
        if (over) overrun_ = true;
        if (!overrun_ || e.what != event::kind::token) queue_.push_back(std::move(k));
      }
      if (over) cancel();
      if (first) wake_();
    } catch (...) {   // out of memory: this request ends, the others go on
      broken_.store(true);
      cancel();
      try { wake_(); } catch (...) {}   // the lost event may have been the last one
    }
  }

  /// Reader: everything since the last call. False: the reader has fallen too far behind, or memory ran out.
  bool take(std::vector<kept_event>& out) {
    out.clear();
    std::lock_guard lock(mutex_);
    queue_.swap(out);
    bytes_ = 0;
    return !overrun_ && !broken_.load();
  }

  void attach(ticket t) {
    std::lock_guard lock(mutex_);
    if (cancelled_) t.cancel();
    tickets_.push_back(std::move(t));
  }
  /// Stops what runs and what will be attached. Thread-safe.
  void cancel() noexcept {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
    for (ticket const& t : tickets_) t.cancel();
  }
  bool cancelled() const noexcept {
    std::lock_guard lock(mutex_);
    return cancelled_;
  }
  void wake() const { wake_(); }

 private:
  mutable std::mutex mutex_;
  waker wake_;
  std::size_t const limit_;
  std::vector<kept_event> queue_;
  std::vector<ticket> tickets_;
  std::size_t bytes_ = 0;
  bool cancelled_ = false, overrun_ = false;
  std::atomic<bool> broken_{false};
};

}  // namespace verbatim
