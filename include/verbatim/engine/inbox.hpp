// The door between fronts and the engine thread: a bounded queue of jobs, each with a type-erased sink.
// This is the only type erasure in the library: once per request and per event, never per layer.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>

#include "verbatim/core/error.hpp"
#include "verbatim/engine/order.hpp"
#include "verbatim/engine/request.hpp"
#include "verbatim/engine/weight_versions.hpp"

namespace verbatim {

/// A submitted request on its way into the engine.
struct job {
  request ask;
  event_sink sink;
  std::shared_ptr<ticket::shared> state;
};

/// An order on its way.
struct command {
  order what;
  outcome_sink done;
};

/// Many producers, one consumer (the thread that drives the engine). The consumer looks at one atomic per step and
/// takes the lock only when something is there.
class inbox {
 public:
  /// `capacity`: unfinished requests at most, running ones included.
  explicit inbox(std::size_t capacity = 4096) : capacity_(capacity) {}

  /// Thread-safe. Throws error("engine", 1) when `capacity` requests are unfinished, error("engine", 2) once closed.
  ticket submit(request ask, event_sink sink) {
    auto state = std::make_shared<ticket::shared>();
    {
      std::lock_guard lock(mutex_);
      if (closed_) throw error("engine", 2, "the engine is shutting down");
      if (unfinished_.load(std::memory_order_relaxed) >= capacity_)
        throw error("engine", 1, "the request queue is full (" + std::to_string(capacity_) + " unfinished requests)");
      state->id = ++last_id_;
      jobs_.push_back({std::move(ask), std::move(sink), state});
      unfinished_.fetch_add(1, std::memory_order_relaxed);
      pending_.store(jobs_.size(), std::memory_order_release);
    }
    wake_.notify_one();
    return ticket(std::move(state));
  }
  /// Thread-safe. `done` (which may be empty) hears the outcome; when the engine ends before that, it hears error("engine", 2).
  void command_engine(order what, outcome_sink done) {
    {
      std::lock_guard lock(mutex_);
      if (closed_) throw error("engine", 2, "the engine is shutting down");
      orders_.push_back({std::move(what), std::move(done)});
      pending_orders_.store(orders_.size(), std::memory_order_release);
    }
    wake_.notify_one();
  }
  /// Whether the engine holds still. Thread-safe, and true by the time that the outcome of a pause is told.
  bool paused() const noexcept { return paused_.load(std::memory_order_acquire); }
  /// Which weights have been run, by number. Thread-safe.
  weight_versions& versions() noexcept { return versions_; }
  weight_versions const& versions() const noexcept { return versions_; }
  /// No more submissions; what is unfinished goes on. Wakes the consumer.
  void close() {
    { std::lock_guard lock(mutex_); closed_ = true; }
    wake_.notify_all();
  }
  bool closed() const { std::lock_guard lock(mutex_); return closed_; }
  std::size_t unfinished() const noexcept { return unfinished_.load(std::memory_order_relaxed); }
  /// The engine's latest counters. Thread-safe.
  engine_stats stats() const { std::lock_guard lock(stats_mutex_); return stats_; }

  // ---- consumer side
  bool empty() const noexcept { return pending_.load(std::memory_order_acquire) == 0; }
  bool pop(job& out) {
    if (empty()) return false;
    std::lock_guard lock(mutex_);
    out = std::move(jobs_.front());
    jobs_.pop_front();
    pending_.store(jobs_.size(), std::memory_order_release);
    return true;
  }
  bool pop(command& out) {
    if (pending_orders_.load(std::memory_order_acquire) == 0) return false;
    std::lock_guard lock(mutex_);
    out = std::move(orders_.front());
    orders_.pop_front();
    pending_orders_.store(orders_.size(), std::memory_order_release);
    return true;
  }
  void paused(bool now) noexcept { paused_.store(now, std::memory_order_release); }
  void finished() noexcept { unfinished_.fetch_sub(1, std::memory_order_relaxed); }
  /// Never blocks: while somebody reads the counters, this publication is skipped; the next step brings newer ones.
  void publish(engine_stats const& s) {
    if (std::unique_lock lock(stats_mutex_, std::try_to_lock); lock) stats_ = s;
  }
  /// Sleeps until a job or an order is there, the inbox is closed or the time is over.
  void wait(std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, at_most, [&] { return !jobs_.empty() || !orders_.empty() || closed_; });
  }

 private:
  std::size_t const capacity_;
  mutable std::mutex mutex_, stats_mutex_;
  std::condition_variable wake_;
  std::deque<job> jobs_;
  std::deque<command> orders_;
  weight_versions versions_;
  std::atomic<std::size_t> pending_{0}, pending_orders_{0}, unfinished_{0};
  std::atomic<bool> paused_{false};
  std::uint64_t last_id_ = 0;
  bool closed_ = false;
  engine_stats stats_;
};

}  // namespace verbatim
