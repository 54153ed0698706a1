// The threads of a block on a CPU: a fiber each, run in turns, in an order that a seed chooses, until all have ended. They meet at places
// of the text; what else they wait for is an heir's affair. The first exception ends the block and leaves run_threads. Not for speed:
// about 20 ns a switch.
#pragma once
#include <algorithm>
#include <cstdint>
#include <exception>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "verbatim/simt/fiber.hpp"
#include "verbatim/simt/grid.hpp"
#include "verbatim/simt/location.hpp"

namespace verbatim::simt {

/// What a kernel does wrong, found by the host executor.
struct defect : std::runtime_error {
  enum class kind { divergent_barrier, unwritten_shared, race, out_of_bounds, misaligned, bad_launch };
  defect(kind what, std::string const& text) : std::runtime_error(text), what_kind(what) {}
  kind what_kind;
};

/// What there is of every thread; heirs add theirs.
struct host_thread {
  int id = 0;
  bool done = false, waiting = false;
  location where{};   ///< of its last wait
  std::unique_ptr<fiber> context;
};
/// Where many threads wait for one another.
struct meeting {
  int arrived = 0;
  location where{};
};

template <class Thread> class host_threads {
 public:
  launch_shape const& shape() const noexcept { return shape_; }
  static std::string at(location w) {
    std::string file = w.file_name();
    return " at " + file.substr(file.rfind('/') + 1) + ":" + std::to_string(w.line());
  }

 protected:
  host_threads(launch_shape shape, std::uint64_t seed) : shape_(shape), random_(seed), shuffled_(seed != 0) {
    if (shape.threads < 1 || shape.threads > 1024 || shape.threads % warp_lanes)
      throw defect(defect::kind::bad_launch, "threads of a block: a multiple of 32, at most 1024");
    if (shape.x < 1 || shape.y < 1 || shape.z < 1) throw defect(defect::kind::bad_launch, "a launch without blocks");
    if (shape.y > most_blocks || shape.z > most_blocks) throw defect(defect::kind::bad_launch, "more than 65535 blocks in y or z");
    if (shape.shared < 0 || shape.shared > most_shared) throw defect(defect::kind::bad_launch, "shared memory of a block: at most 227 KiB");
    threads_.resize(std::size_t(shape.threads));
    for (int i = 0; i < shape.threads; ++i) order_.push_back(i);
  }
  virtual ~host_threads() = default;
  host_threads(host_threads const&) = delete;
  host_threads& operator=(host_threads const&) = delete;

  /// Once all threads are there and before the first runs.
  virtual void begin() = 0;
  virtual void run_body(int thread) = 0;
  /// After a turn of all threads that could move, if any did. Throws where none ever will.
  virtual void after_turn(bool moved) = 0;

  void run_threads() try {
    live_ = shape_.threads, problem_ = nullptr;
    for (int i = 0; i < live_; ++i) {
      Thread& t = threads_[std::size_t(i)];
      auto context = t.context ? std::move(t.context) : std::make_unique<fiber>();
      t = Thread{};
      t.context = std::move(context), t.id = i;
      t.context->start(&host_threads::entry, this);
    }
    begin();
    while (live_ > 0) {
      if (shuffled_) std::shuffle(order_.begin(), order_.end(), random_);
      bool moved = false;
      for (int i : order_) {
        Thread& t = threads_[std::size_t(i)];
        if (t.done || t.waiting) continue;
        moved = true, current_ = i;
        t.context->resume();
        if (problem_) std::rethrow_exception(problem_);
      }
      after_turn(moved);
    }
  } catch (...) {
    for (auto& t : threads_) t.context.reset();   // abandoned halfway: their stacks may not be used again
    throw;
  }

  Thread& me() noexcept { return threads_[std::size_t(current_)]; }
  Thread const& me() const noexcept { return threads_[std::size_t(current_)]; }
  int first_of_warp() const noexcept { return current_ / warp_lanes * warp_lanes; }
  int ended() const noexcept { return shape_.threads - live_; }
  /// 0 where the order is the ascending one.
  std::uint64_t chance() { return shuffled_ ? random_() : 0; }
  void suspend(location where) {
    me().where = where, me().waiting = true;
    me().context->suspend();
  }
  /// The `count` threads from `first` on wait for one another. True for the last one to come.
  bool meet(meeting& m, int first, int count, char const* what, location where) {
    if (m.arrived > 0 && !(m.where == where))
      throw defect(defect::kind::divergent_barrier, "thread " + std::to_string(current_) + " reaches " + what + at(where) + ", others wait" + at(m.where));
    m.where = where;
    if (++m.arrived < count) return suspend(where), false;
    m.arrived = 0;
    for (Thread *t = threads_.data() + first, *end = t + count; t != end; ++t) t->waiting = false;
    return true;
  }

  std::vector<Thread> threads_;
  int current_ = 0;

 private:
  static void entry(void* argument) {
    auto& self = *static_cast<host_threads*>(argument);
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

  launch_shape shape_;
  std::mt19937_64 random_;
  bool shuffled_;
  int live_ = 0;
  std::vector<int> order_;
  std::exception_ptr problem_;
};

/// Runs body(Grid) for every thread of every block, the blocks in an order that the seed chooses; 0: ascending.
template <class Grid, class Block, class Body> void launch_blocks(launch_shape shape, Body const& body, std::uint64_t seed) {
  Block block(shape, seed);
  std::vector<int> order(std::size_t(shape.x) * std::size_t(shape.y) * std::size_t(shape.z));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = int(i);
  std::mt19937_64 random(seed);
  if (seed != 0) std::shuffle(order.begin(), order.end(), random);
  for (int i : order)
    block.run(i % shape.x, i / shape.x % shape.y, i / shape.x / shape.y, &body,
              [](void const* closure, Block& b, int thread) { (*static_cast<Body const*>(closure))(Grid(b, thread)); });
}

}  // namespace verbatim::simt
