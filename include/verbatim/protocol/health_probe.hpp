// Whether tokens come out of the engine: one is asked for. Everybody who wants to know at the same time shares one probe, so an
// engine that hangs collects no requests from its watchers; who has waited too long is told so, and who asks meanwhile at once.
// Thread-safe. It outlives whoever asked: the engine may answer late.
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
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
  static constexpr std::size_t most_waiting = 1024;

  explicit health_probe(std::chrono::milliseconds patience) : patience_(patience) {}

  /// Calls `to` once: 200 when a token came, for the probe or for anybody; 503 when the engine failed, or gave none for `patience`.
  /// That time passes is noticed by `tick`. Throws bad_alloc; then `to` is not called.
  void ask(inbox& jobs, respond to) {
    answer said, mine;
    {
      std::lock_guard lock(mutex_);
      jobs_ = &jobs;
      said = look();
      bool const full = waiting_.size() >= most_waiting;
      if (full || (watching_ && late_)) {
        mine.what = full ? error_response({503, "too many ask at once", "", "unavailable", 1}) : silent();
        mine.to.push_back(std::move(to));
      } else {
        waiting_.push_back(std::move(to));
        if (!watching_) mine = start();
      }
    }
    tell(said);
    tell(mine);
  }
  void tick() {
    answer said;
    {
      std::lock_guard lock(mutex_);
      said = look();
      if (!said.what && !watching_ && !waiting_.empty()) said = start();   // an abort of everything took the probe too
    }
    tell(said);
  }

 private:
  /// What is known now, and to whom it is to be said, without the lock.
  struct answer {
    std::optional<http_response> what{};
    std::vector<respond> to{};
  };
  static http_response well() { return {{.content_type = "text/plain"}, ""}; }
  http_response silent() const { return error_response({503, "the engine has given no token for " + std::to_string(patience_.count()) + " ms", "", "unresponsive", 1}); }
  answer to_all(http_response r) { return {std::move(r), std::exchange(waiting_, {})}; }
  static void tell(answer const& said) {
    for (auto& to : said.to) to(*said.what);
  }

  bool moved() {
    std::uint64_t const now = jobs_->stats().generated_tokens;
    return now > std::exchange(tokens_, now);
  }
  answer look() {
    if (!watching_) return {};
    if (moved()) {   // whatever the probe waits behind
      late_ = false;
      asked_ = clock::now();
      if (!submitted_) watching_ = false;
      return to_all(well());
    }
    if (late_ || clock::now() - asked_ < patience_) return {};
    late_ = true;
    if (submitted_) ticket_.cancel();
    return to_all(silent());
  }
  answer start() {
    asked_ = clock::now();
    tokens_ = jobs_->stats().generated_tokens;
    late_ = submitted_ = false;
    try {   // under the lock: the answer may be there before the ticket
      ticket_ = jobs_->submit({.prompt = {0}, .max_tokens = 1, .ignore_eos = true}, [self = shared_from_this()](event const& e) {
        if (e.what == event::kind::finished) self->over(e);
      });
      watching_ = submitted_ = true;
    } catch (error const& e) {
      if (e.area() != "engine" || e.number() != 1) return to_all(error_response({503, e.what(), "", "unavailable", 1}));
      watching_ = true;   // the queue is full: others' tokens tell
    } catch (...) {
      waiting_.pop_back();
      throw;
    }
    return {};
  }
  void over(event const& e) {
    answer said;
    {
      std::lock_guard lock(mutex_);
      watching_ = submitted_ = late_ = false;
      if (e.finish == finish_reason::error) said = to_all(error_response({503, std::string(e.error), "", "engine_error", 1}));
      else if (e.finish != finish_reason::cancelled || moved()) said = to_all(well());
    }
    tell(said);
  }

  std::chrono::milliseconds const patience_;
  std::mutex mutex_;
  std::vector<respond> waiting_;
  ticket ticket_;
  inbox* jobs_ = nullptr;
  std::uint64_t tokens_ = 0;   // that the engine had given when it was last looked at
  clock::time_point asked_{};
  bool watching_ = false;    // a token is waited for
  bool submitted_ = false;   // of a request of this probe's own, which the engine has not answered yet
  bool late_ = false;        // for too long
};

}  // namespace verbatim
