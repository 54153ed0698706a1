// Runs one block of a kernel on a CPU, with barriers, shuffles and shared memory under watch. The first defect ends the block as an
// exception of type `defect`. A barrier must be reached by all of its threads from one place in the text; hardware of today forgives
// more, and tomorrow's may not.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "verbatim/simt/host_threads.hpp"
#include "verbatim/simt/shared_shadow.hpp"
#include "verbatim/simt/store_log.hpp"

namespace verbatim::simt {

namespace detail {
/// A copy from global to shared memory on its way.
struct async_copy {
  std::size_t to;
  void const* from;
  std::size_t bytes;
  int group;
};
struct block_thread : host_thread {
  std::vector<async_copy> copies{};
  int group = 0;   ///< that the next copy belongs to
};
}  // namespace detail

class host_block : public host_threads<detail::block_thread> {
 public:
  using body = void (*)(void const* closure, host_block& self, int thread);

  host_block(launch_shape shape, std::uint64_t seed) : host_threads(shape, seed), warps_(std::size_t(shape.threads / warp_lanes)) {
    memory_.reset(new (std::align_val_t(16)) unsigned char[std::size_t(shape.shared) + 1]);
  }

  void run(int x, int y, int z, void const* closure, body call) {
    x_ = x, y_ = y, z_ = z, closure_ = closure, call_ = call;
    run_threads();
  }

  void sync(location where) {
    if (meet(block_barrier_, 0, shape().threads, "a barrier of the block", where)) ++epoch_;
  }
  void sync_warp(location where) {
    if (warp& w = my_warp(); meet(w.gate, first_of_warp(), warp_lanes, "a barrier of the warp", where)) ++w.epoch;
  }
  /// Every lane gives a value and gets that of lane `from`.
  template <class T> T exchange(T value, int from, location where) {
    static_assert(sizeof(T) <= most_exchanged && std::is_trivially_copyable_v<T>);
    warp& w = my_warp();
    int const buffer = w.exchanges & 1;   // two: a quick lane may be one ahead
    if (from < 0 || from >= warp_lanes) throw defect(defect::kind::out_of_bounds, "a shuffle from lane " + std::to_string(from) + at(where));
    std::memcpy(w.slot[buffer][current_ % warp_lanes], &value, sizeof value);
    if (meet(w.gate, first_of_warp(), warp_lanes, "a shuffle", where)) ++w.exchanges;
    std::memcpy(&value, w.slot[buffer][from], sizeof value);
    return value;
  }

  /// Every lane gives a value; what the values of all are is made of them by change(values), once; every lane gets its own.
  template <class T, class Change> T together(T value, Change const& change, char const* what, location where) {
    static_assert(sizeof(T) <= most_exchanged && std::is_trivially_copyable_v<T>);
    warp& w = my_warp();
    auto& given = w.slot[w.exchanges & 1];
    std::memcpy(given[current_ % warp_lanes], &value, sizeof value);
    if (meet(w.gate, first_of_warp(), warp_lanes, what, where)) {
      T all[warp_lanes];
      for (int i = 0; i < warp_lanes; ++i) std::memcpy(&all[i], given[i], sizeof value);
      change(all);
      for (int i = 0; i < warp_lanes; ++i) std::memcpy(given[i], &all[i], sizeof value);
      ++w.exchanges;
    }
    std::memcpy(&value, given[current_ % warp_lanes], sizeof value);
    return value;
  }

  template <class T> T read(std::size_t offset, location where) {
    T value;
    watch(shadow_.read(offset, sizeof(T), accessing()), offset, where);
    std::memcpy(&value, memory_.get() + offset, sizeof value);
    return value;
  }
  template <class T> void write(std::size_t offset, T const& value, location where) {
    watch(shadow_.write(offset, sizeof(T), accessing()), offset, where);
    std::memcpy(memory_.get() + offset, &value, sizeof value);
  }

  /// A copy from global to shared memory that is under way until the thread waits for its group; only then is the source read.
  void copy_async(std::size_t to, void const* from, std::size_t bytes, location where) {
    watch(shadow_.begin_copy(to, bytes, accessing()), to, where);
    me().copies.push_back({to, from, bytes, me().group});
  }
  void copy_commit() noexcept { ++me().group; }
  /// All but the last `left` groups have arrived, as far as this thread's copies are concerned.
  void copy_wait(int left) {
    std::erase_if(me().copies, [&](detail::async_copy const& c) {
      if (c.group >= me().group - left) return false;
      std::memcpy(memory_.get() + c.to, c.from, c.bytes);
      shadow_.end_copy(c.to, c.bytes, accessing());
      return true;
    });
  }

  /// A store into an array of global memory, for the log where there is one.
  void stored(void const* data, std::size_t bytes) {
    if (stores_) stores_->add(data, bytes);
  }
  /// Whether a launch before this one that need not have ended has stored there.
  bool may_change(void const* data, std::size_t bytes) const noexcept { return stores_ && stores_->has_any_of(data, bytes); }

  int x() const noexcept { return x_; }
  int y() const noexcept { return y_; }
  int z() const noexcept { return z_; }

 private:
  static constexpr std::size_t most_exchanged = 48;   // bytes of a lane
  struct warp {
    meeting gate;
    std::uint32_t epoch = 0;
    int exchanges = 0;
    alignas(16) unsigned char slot[2][warp_lanes][most_exchanged];
  };
  struct aligned_delete {
    void operator()(unsigned char* p) const noexcept { ::operator delete[](p, std::align_val_t(16)); }
  };

  void begin() override {
    epoch_ = 0, block_barrier_ = {};
    for (auto& w : warps_) w = {};
    std::memset(memory_.get(), 0xCD, std::size_t(shape().shared));
    shadow_.reset(std::size_t(shape().shared));
  }
  void run_body(int thread) override { call_(closure_, *this, thread); }
  void after_turn(bool moved) override {
    if (!moved) throw stuck();
  }
  accessor accessing() noexcept { return {current_, current_ / warp_lanes, epoch_, my_warp().epoch}; }
  warp& my_warp() noexcept { return warps_[std::size_t(current_ / warp_lanes)]; }
  void watch(access_problem p, std::size_t offset, location where) const {
    if (p != access_problem::none) refuse(p, offset, where);
  }
  [[noreturn, gnu::noinline]] void refuse(access_problem p, std::size_t offset, location where) const {
    std::string const place = " of shared byte " + std::to_string(offset) + " by thread " + std::to_string(current_) + at(where);
    if (p == access_problem::unwritten) throw defect(defect::kind::unwritten_shared, "a read before any write" + place);
    throw defect(defect::kind::race, "an access without a barrier since another thread's" + place);
  }
  defect stuck() const {
    std::string text = std::to_string(ended()) + " threads have ended";
    for (auto const& t : threads_)
      if (!t.done) {
        text += ", thread " + std::to_string(t.id) + " waits" + at(t.where);
        break;
      }
    return {defect::kind::divergent_barrier, text};
  }

  int x_ = 0, y_ = 0, z_ = 0;
  std::uint32_t epoch_ = 0;
  meeting block_barrier_;
  std::vector<warp> warps_;
  std::unique_ptr<unsigned char[], aligned_delete> memory_;
  shared_shadow shadow_;
  store_log* stores_ = store_log::current();
  void const* closure_ = nullptr;
  body call_ = nullptr;
};

}  // namespace verbatim::simt
