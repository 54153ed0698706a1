// The threads of a block of the sm_90a model: they wait for one another at the barriers of block and warp, which order what they know of,
// or for what an heir of this class has. Copies arrive between their turns.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "verbatim/simt/host_sm90_clock.hpp"

namespace verbatim::simt {

class host_sm90_threads : public host_threads<detail::sm90_thread> {
 public:
  using rule = protocol_defect::rule;

  void sync(location where) { arrive_all(gate_, 0, int(threads_.size()), true, where); }
  void sync_warp(location where) { arrive_all(my_warp(), first_of_warp(), warp_lanes, true, where); }
  host_block& plain() noexcept { return plain_; }
  [[noreturn]] void fail(rule which, std::string const& text, location where) const { throw protocol_defect(which, text + at(where)); }

 protected:
  static constexpr int max_barriers = 64, gate = -1;

  host_sm90_threads(launch_shape shape, std::uint64_t seed) : host_threads(shape, seed), plain_(shape, seed) {
    if (shape.threads > detail::shared_cell::warps * warp_lanes) throw defect(defect::kind::bad_launch, "the model has at most 512 threads");
  }

  virtual bool something_under_way() const = 0;
  virtual void let_one_arrive(std::uint64_t chance) = 0;

  void begin() override {
    gate_ = {};
    warps_.assign(threads_.size() / warp_lanes, {});
    for (auto& t : threads_) {
      t.seen.reset(components());
      t.seen.known[std::size_t(t.id)] = 1;
    }
  }
  void after_turn(bool moved) override {
    if (!something_under_way()) {
      if (!moved) throw stuck();
    } else if (!moved || chance() % 2) {
      let_one_arrive(chance());
    }
  }

  std::size_t components() const { return threads_.size() + max_barriers + detail::shared_cell::warps; }
  int first_warp() const { return int(threads_.size()) + max_barriers; }
  meeting& my_warp() { return warps_[std::size_t(current_ / warp_lanes)]; }

  void park(int what, location where) {
    me().waits_for = what;
    suspend(where);
  }
  void wake(int what) {
    for (auto& t : threads_)
      if (t.waiting && t.waits_for == what) t.waiting = false;
  }
  void arrive_all(meeting& m, int first, int count, bool orders, location where) {
    me().waits_for = gate;
    if (!meet(m, first, count, "a barrier", where) || !orders) return;
    detail::history all = me().seen;
    for (int i = first; i < first + count; ++i) all.join(threads_[std::size_t(i)].seen);
    for (int i = first; i < first + count; ++i) {
      auto& t = threads_[std::size_t(i)];
      t.seen = all;
      ++t.seen.known[std::size_t(i)];
    }
  }

 private:
  protocol_defect stuck() const {
    for (auto const& t : threads_)
      if (!t.done) return {rule::never_ends, "nothing moves any more: thread " + std::to_string(t.id) + " waits" + at(t.where)};
    return {rule::never_ends, "nothing moves any more"};
  }

  host_block plain_;   // what a grid asks of its block beside the protocol
  meeting gate_;
  std::vector<meeting> warps_;
};

}  // namespace verbatim::simt
