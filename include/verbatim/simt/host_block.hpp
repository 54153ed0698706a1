// Runs one block of a kernel on a CPU: a fiber per thread, in an order that a seed chooses, with barriers, shuffles and shared
// memory under watch. The first defect ends the block as an exception of type `defect`. A barrier must be reached by all of its
// threads from one place in the text; hardware of today forgives more, and tomorrow's may not. Not for speed: about 20 ns a switch.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "verbatim/simt/fiber.hpp"
#include "verbatim/simt/grid.hpp"
#include "verbatim/simt/location.hpp"
#include "verbatim/simt/shared_shadow.hpp"

namespace verbatim::simt {

/// What a kernel does wrong, found by the host executor.
struct defect : std::runtime_error {
  enum class kind { divergent_barrier, unwritten_shared, race, out_of_bounds, misaligned, bad_launch };
  defect(kind what, std::string const& text) : std::runtime_error(text), what_kind(what) {}
  kind what_kind;
};

class host_block {
 public:
  using body = void (*)(void const* closure, host_block& self, int thread);

  host_block(launch_shape shape, std::uint64_t seed) : shape_(shape), random_(seed), shuffled_(seed != 0) {
    if (shape.threads < 1 || shape.threads > 1024 || shape.threads % warp_lanes) throw defect(defect::kind::bad_launch, "threads of a block: a multiple of 32, at most 1024");
    if (shape.x < 1 || shape.y < 1 || shape.z < 1) throw defect(defect::kind::bad_launch, "a launch without blocks");
    if (shape.y > most_blocks || shape.z > most_blocks) throw defect(defect::kind::bad_launch, "more than 65535 blocks in y or z");
    if (shape.shared < 0 || shape.shared > most_shared) throw defect(defect::kind::bad_launch, "shared memory of a block: at most 227 KiB");
    threads_.resize(std::size_t(shape.threads));
    warps_.resize(std::size_t(shape.threads / warp_lanes));
    order_.resize(threads_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = int(i);
    memory_.reset(new (std::align_val_t(16)) unsigned char[std::size_t(shape.shared) + 1]);
  }

  void run(int x, int y, int z, void const* closure, body call) {
    x_ = x, y_ = y, z_ = z, closure_ = closure, call_ = call;
    live_ = shape_.threads, epoch_ = 0, problem_ = nullptr;
    block_barrier_ = {};
    for (auto& w : warps_) w = {};
    std::memset(memory_.get(), 0xCD, std::size_t(shape_.shared));
    shadow_.reset(std::size_t(shape_.shared));
    for (int i = 0; i < shape_.threads; ++i) {
      thread& t = threads_[std::size_t(i)];
      if (!t.context) t.context = std::make_unique<fiber>();
      t.owner = this, t.id = i, t.done = t.waiting = false;
      t.copies.clear(), t.group = 0;
      t.context->start(&host_block::entry, &t);
    }
    while (live_ > 0 && !problem_) {
      if (shuffled_) std::shuffle(order_.begin(), order_.end(), random_);
      bool moved = false;
      for (int i : order_) {
        thread& t = threads_[std::size_t(i)];
        if (t.done || t.waiting || problem_) continue;
        moved = true, current_ = i;
        t.context->resume();
      }
      if (!moved && !problem_) problem_ = std::make_exception_ptr(stuck());
    }
    if (problem_) {
      for (auto& t : threads_) t.context.reset();   // abandoned halfway: their stacks may not be used again
      std::rethrow_exception(problem_);
    }
  }

  void sync(location where) {
    arrive(block_barrier_, shape_.threads, where, "a barrier of the block", [&] { ++epoch_, release(0, shape_.threads); });
  }
  void sync_warp(location where) {
    warp& w = my_warp();
    int const first = current_ / warp_lanes * warp_lanes;
    arrive(w.gate, warp_lanes, where, "a barrier of the warp", [&] { ++w.epoch, release(first, warp_lanes); });
  }
  /// Every lane gives a value and gets that of lane `from`.
  template <class T> T exchange(T value, int from, location where) {
    static_assert(sizeof(T) <= most_exchanged && std::is_trivially_copyable_v<T>);
    warp& w = my_warp();
    int const first = current_ / warp_lanes * warp_lanes, buffer = w.exchanges & 1;   // two: a quick lane may be one ahead
    if (from < 0 || from >= warp_lanes) throw defect(defect::kind::out_of_bounds, "a shuffle from lane " + std::to_string(from) + at(where));
    std::memcpy(w.slot[buffer][current_ % warp_lanes], &value, sizeof value);
    arrive(w.gate, warp_lanes, where, "a shuffle", [&] { ++w.exchanges, release(first, warp_lanes); });
    std::memcpy(&value, w.slot[buffer][from], sizeof value);
    return value;
  }

  /// Every lane gives a value and gets those of all.
  template <class T> void gather(T value, T (&all)[warp_lanes], char const* what, location where) {
    static_assert(sizeof(T) <= most_exchanged && std::is_trivially_copyable_v<T>);
    warp& w = my_warp();
    int const first = current_ / warp_lanes * warp_lanes, buffer = w.exchanges & 1;
    std::memcpy(w.slot[buffer][current_ % warp_lanes], &value, sizeof value);
    arrive(w.gate, warp_lanes, where, what, [&] { ++w.exchanges, release(first, warp_lanes); });
    for (int i = 0; i < warp_lanes; ++i) std::memcpy(&all[i], w.slot[buffer][i], sizeof value);
  }

  template <class T> T read(std::size_t offset, location where) {
    T value;
    watch(shadow_.read(offset, sizeof(T), me()), offset, where);
    std::memcpy(&value, memory_.get() + offset, sizeof value);
    return value;
  }
  template <class T> void write(std::size_t offset, T const& value, location where) {
    watch(shadow_.write(offset, sizeof(T), me()), offset, where);
    std::memcpy(memory_.get() + offset, &value, sizeof value);
  }

  /// A copy from global to shared memory that is under way until the thread waits for its group; only then is the source read.
  void copy_async(std::size_t to, void const* from, std::size_t bytes, location where) {
    watch(shadow_.begin_copy(to, bytes, me()), to, where);
    thread& t = threads_[std::size_t(current_)];
    t.copies.push_back({to, from, bytes, t.group});
  }
  void copy_commit() noexcept { ++threads_[std::size_t(current_)].group; }
  /// All but the last `left` groups have arrived, as far as this thread's copies are concerned.
  void copy_wait(int left) {
    thread& t = threads_[std::size_t(current_)];
    std::erase_if(t.copies, [&](copy const& c) {
      if (c.group >= t.group - left) return false;
      std::memcpy(memory_.get() + c.to, c.from, c.bytes);
      shadow_.end_copy(c.to, c.bytes, me());
      return true;
    });
  }

  int x() const noexcept { return x_; }
  int y() const noexcept { return y_; }
  int z() const noexcept { return z_; }
  launch_shape const& shape() const noexcept { return shape_; }
  static std::string at(location w) {
    std::string file = w.file_name();
    return " at " + file.substr(file.rfind('/') + 1) + ":" + std::to_string(w.line());
  }

 private:
  static constexpr std::size_t most_exchanged = 32;   // bytes of a lane
  struct copy {
    std::size_t to;
    void const* from;
    std::size_t bytes;
    int group;
  };
  struct thread {
    host_block* owner = nullptr;
    int id = 0;
    bool done = false, waiting = false;
    location where{};
    std::vector<copy> copies;   // on their way
    int group = 0;              // that the next copy belongs to
    std::unique_ptr<fiber> context;
  };
  struct barrier {
    int arrived = 0;
    location where{};
  };
  struct warp {
    barrier gate;
    std::uint32_t epoch = 0;
    int exchanges = 0;
    alignas(16) unsigned char slot[2][warp_lanes][most_exchanged];
  };
  struct aligned_delete {
    void operator()(unsigned char* p) const noexcept { ::operator delete[](p, std::align_val_t(16)); }
  };

  static void entry(void* argument) {
    auto& t = *static_cast<thread*>(argument);
    host_block& b = *t.owner;
    try {
      b.call_(b.closure_, b, t.id);
    } catch (...) {
      b.problem_ = std::current_exception();
    }
    t.done = true;
    --b.live_;
    t.context->suspend();
  }
  accessor me() noexcept { return {current_, current_ / warp_lanes, epoch_, my_warp().epoch}; }
  warp& my_warp() noexcept { return warps_[std::size_t(current_ / warp_lanes)]; }
  void release(int first, int count) noexcept {
    for (int i = 0; i < count; ++i) threads_[std::size_t(first + i)].waiting = false;
  }
  template <class Release> void arrive(barrier& b, int expected, location where, char const* what, Release&& all_here) {
    thread& t = threads_[std::size_t(current_)];
    bool const elsewhere = b.arrived > 0 && (b.where.line() != where.line() || std::strcmp(b.where.file_name(), where.file_name()));
    if (elsewhere)
      throw defect(defect::kind::divergent_barrier, "thread " + std::to_string(current_) + " reaches " + what + at(where) + ", others wait" + at(b.where));
    b.where = t.where = where;
    t.waiting = true;
    if (++b.arrived == expected) {
      b.arrived = 0;
      all_here();
    } else {
      t.context->suspend();
    }
  }
  void watch(access_problem p, std::size_t offset, location where) const {
    if (p == access_problem::none) return;
    std::string const place = " of shared byte " + std::to_string(offset) + " by thread " + std::to_string(current_) + at(where);
    if (p == access_problem::unwritten) throw defect(defect::kind::unwritten_shared, "a read before any write" + place);
    throw defect(defect::kind::race, "an access without a barrier since another thread's" + place);
  }
  defect stuck() const {
    std::string text = std::to_string(shape_.threads - live_) + " threads have ended";
    for (auto const& t : threads_)
      if (!t.done) {
        text += ", thread " + std::to_string(t.id) + " waits" + at(t.where);
        break;
      }
    return {defect::kind::divergent_barrier, text};
  }

  launch_shape shape_;
  std::mt19937_64 random_;
  bool shuffled_;
  int x_ = 0, y_ = 0, z_ = 0, live_ = 0, current_ = 0;
  std::uint32_t epoch_ = 0;
  barrier block_barrier_;
  std::vector<thread> threads_;
  std::vector<warp> warps_;
  std::vector<int> order_;
  std::unique_ptr<unsigned char[], aligned_delete> memory_;
  shared_shadow shadow_;
  void const* closure_ = nullptr;
  body call_ = nullptr;
  std::exception_ptr problem_;
};

}  // namespace verbatim::simt
