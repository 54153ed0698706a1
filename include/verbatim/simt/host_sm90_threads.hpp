// The threads of a block of the sm_90a model: a fiber each, run in an order that a seed chooses, which wait for one another at the barriers
// of block and warp (as in host_block.hpp, whose scheduler knows no waits for anything else) or for what an heir of this class has.
#pragma once
#include <algorithm>
#include <cstring>
#include <exception>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "verbatim/simt/host_sm90_clock.hpp"

namespace verbatim::simt {

class host_sm90_threads {
 public:
  using rule = protocol_defect::rule;

  void sync(location where) { arrive_all(gate_, 0, int(threads_.size()), true, where); }
  void sync_warp(location where) { arrive_all(my_warp(), first_of_warp(), warp_lanes, true, where); }
  host_block& plain() noexcept { return plain_; }
  [[noreturn]] void fail(rule which, std::string const& text, location where) const { throw protocol_defect(which, text + at(where)); }
  static std::string at(location where) { return host_block::at(where); }

 protected:
  using thread = detail::sm90_thread;
  using meeting = detail::meeting;
  static constexpr int max_barriers = 64, gate = -1;

  host_sm90_threads(launch_shape shape, std::uint64_t seed) : plain_(shape, seed), random_(seed), shuffled_(seed != 0) {
    if (shape.threads > detail::shared_cell::warps * warp_lanes) throw defect(defect::kind::bad_launch, "the model has at most 512 threads");
    threads_.resize(std::size_t(shape.threads));
    for (std::size_t i = 0; i < threads_.size(); ++i) order_.push_back(int(i));
  }
  virtual ~host_sm90_threads() = default;
  host_sm90_threads(host_sm90_threads const&) = delete;
  host_sm90_threads& operator=(host_sm90_threads const&) = delete;

  virtual void begin() = 0;
  virtual void run_body(int thread) = 0;
  virtual bool something_under_way() const = 0;
  virtual void let_one_arrive(std::uint64_t chance) = 0;
  virtual void check_end() = 0;

  void run_threads() try {
    reset();
    while (live_ > 0 && !problem_) {
      if (shuffled_) std::shuffle(order_.begin(), order_.end(), random_);
      bool moved = false;
      for (int i : order_) {
        thread& t = threads_[std::size_t(i)];
        if (t.done || t.waiting || problem_) continue;
        moved = true, current_ = i;
        t.context->resume();
      }
      if (problem_) break;
      if (!something_under_way()) {
        if (!moved) throw stuck();
      } else if (!moved || (shuffled_ && random_() % 2)) {
        let_one_arrive(shuffled_ ? random_() : 0);
      }
    }
    if (problem_) std::rethrow_exception(problem_);
    check_end();
  } catch (...) {
    for (auto& t : threads_) t.context.reset();   // abandoned halfway: their stacks may not be used again
    throw;
  }

  std::size_t components() const { return threads_.size() + max_barriers + detail::shared_cell::warps; }
  int first_warp() const { return int(threads_.size()) + max_barriers; }
  thread& me() { return threads_[std::size_t(current_)]; }
  thread const& me() const { return threads_[std::size_t(current_)]; }
  meeting& my_warp() { return warps_[std::size_t(current_ / warp_lanes)]; }
  int first_of_warp() const { return current_ / warp_lanes * warp_lanes; }

  void park(int what, location where) {
    thread& t = me();
    t.waits_for = what, t.where = where, t.waiting = true;
    t.context->suspend();
  }
  void wake(int what) {
    for (auto& t : threads_)
      if (t.waiting && t.waits_for == what) t.waiting = false;
  }
  void arrive_all(meeting& m, int first, int count, bool orders, location where) {
    if (m.arrived > 0 && (m.where.line() != where.line() || std::strcmp(m.where.file_name(), where.file_name())))
      throw defect(defect::kind::divergent_barrier, "thread " + std::to_string(current_) + " reaches a barrier" + at(where) + ", others wait" + at(m.where));
    m.where = where;
    if (++m.arrived < count) return park(gate, where);
    m.arrived = 0;
    for (int i = first; i < first + count; ++i) threads_[std::size_t(i)].waiting = false;
    if (!orders) return;
    detail::history all = me().seen;
    for (int i = first; i < first + count; ++i) all.join(threads_[std::size_t(i)].seen);
    for (int i = first; i < first + count; ++i) {
      thread& t = threads_[std::size_t(i)];
      t.seen = all;
      ++t.seen.known[std::size_t(i)];
    }
  }

  std::vector<thread> threads_;
  int current_ = 0;

 private:
  void reset() {
    live_ = int(threads_.size()), problem_ = nullptr, gate_ = {};
    warps_.assign(threads_.size() / warp_lanes, {});
    for (std::size_t i = 0; i < threads_.size(); ++i) {
      thread& t = threads_[i];
      auto context = t.context ? std::move(t.context) : std::make_unique<fiber>();
      t = {};
      t.context = std::move(context), t.id = int(i);
      t.seen.reset(components());
      t.seen.known[i] = 1;
      t.context->start(&host_sm90_threads::entry, this);
    }
    begin();
  }
  static void entry(void* argument) {
    auto& self = *static_cast<host_sm90_threads*>(argument);
    int const mine = self.current_;   // started by its first turn
    try {
      self.run_body(mine);
    } catch (...) {
      self.problem_ = std::current_exception();
    }
    self.threads_[std::size_t(mine)].done = true;
    --self.live_;
    self.threads_[std::size_t(mine)].context->suspend();
  }
  protocol_defect stuck() const {
    for (auto const& t : threads_)
      if (!t.done) return {rule::never_ends, "nothing moves any more: thread " + std::to_string(t.id) + " waits" + at(t.where)};
    return {rule::never_ends, "nothing moves any more"};
  }

  host_block plain_;   // has the shape, and refuses bad ones
  std::mt19937_64 random_;
  bool shuffled_;
  int live_ = 0;
  std::vector<int> order_;
  meeting gate_;
  std::vector<meeting> warps_;
  std::exception_ptr problem_;
};

}  // namespace verbatim::simt
