// A persistent pool: run(count, f) calls f(index, worker) for every index below count, the calling thread taking part as
// worker 0. Indices are claimed one by one, so which thread computes what is open, and no result may depend on it.
// A job ends when all its indices are done: a worker that the system put to sleep delays nobody. Idle workers spin for
// about 50 us and then sleep. One job at a time; f must not throw. No allocation and no lock after construction; with one
// thread there is no other thread. Cost: about 1 us a job while the workers spin.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <type_traits>
#include <vector>

#include "verbatim/backend/cpu/affinity.hpp"

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace verbatim::cpu {

inline void relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#endif
}

class pool {
 public:
  /// `threads` in all, the caller of run included; at least one. `pin`: worker i keeps to the i-th of the processors that the thread which
  /// makes the pool may use, where there are enough; the caller of run is worker 0, and keeps to its own once it calls keep_caller().
  explicit pool(int threads, bool pin = false) : processors_(processors::of_this_thread()), pin_(pin && processors_.count() >= threads) {
    for (int worker = 1; worker < threads; ++worker)
      workers_.emplace_back([this, worker] {
        if (pin_) processors_.keep(worker);
        else processors_.use_all();   // the thread that made it may keep to one for another pool
        serve(worker);
      });
  }
  pool(pool const&) = delete;
  ~pool() {
    stop_.store(true);
    ring();
    for (std::thread& t : workers_) t.join();
    if (kept_for() == this) kept_for() = nullptr, processors_.use_all();
  }

  int threads() const noexcept { return int(workers_.size()) + 1; }

  /// The thread that calls run keeps to the first processor, where the workers keep to theirs, until it ends the pool. Threads that it makes
  /// afterwards inherit that. Cost: nothing when it does already.
  void keep_caller() noexcept {
    if (!pin_ || kept_for() == this) return;
    kept_for() = this;
    processors_.keep(0);
  }

  /// Calls f(index, worker) for 0 <= index < count; worker < threads() tells concurrent calls apart.
  template <class F> void run(int count, F&& f) noexcept {
    if (count <= 1 || workers_.empty()) {
      for (int i = 0; i < count; ++i) f(i, 0);
      return;
    }
    auto const call = [](void* self, int index, int worker) { (*static_cast<std::remove_reference_t<F>*>(self))(index, worker); };
    void* const self = const_cast<void*>(static_cast<void const*>(&f));
    for (int first = 0; first < count; first += limit) publish(call, self, first, count - first < limit ? count - first : limit);
  }

 private:
  /// For which pool the calling thread keeps to a processor.
  static pool const*& kept_for() noexcept {
    thread_local pool const* of = nullptr;
    return of;
  }

  using function = void (*)(void*, int, int);
  // A ticket holds the number of the job, how many indices it has and the next one to claim. A claim succeeds only against
  // the very ticket that was read, so a late worker can never take an index of a job whose fields it did not read.
  // 16 bits of next, 16 of size, 32 of job.
  static constexpr int limit = 0xffff;
  static constexpr std::uint64_t next(std::uint64_t t) { return t & 0xffff; }
  static constexpr std::uint64_t size(std::uint64_t t) { return (t >> 16) & 0xffff; }

  void publish(function call, void* self, int first, int count) noexcept {
    call_.store(call, std::memory_order_relaxed);
    self_.store(self, std::memory_order_relaxed);
    first_.store(first, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
    ticket_.store((++job_ << 32) | (std::uint64_t(count) << 16), std::memory_order_release);
    ring();
    work(0);
    for (int spins = 0; done_.load(std::memory_order_acquire) < count; ++spins) {
      if (spins < 4000) relax();
      else std::this_thread::yield();
    }
  }

  void ring() noexcept {
    bell_.fetch_add(1);
    if (sleepers_.load() > 0) bell_.notify_all();
  }

  void work(int worker) noexcept {
    for (;;) {
      std::uint64_t t = ticket_.load(std::memory_order_acquire);
      if (next(t) >= size(t)) return;
      function const call = call_.load(std::memory_order_relaxed);
      void* const self = self_.load(std::memory_order_relaxed);
      int const index = first_.load(std::memory_order_relaxed) + int(next(t));
      if (!ticket_.compare_exchange_weak(t, t + 1, std::memory_order_acq_rel)) continue;
      call(self, index, worker);
      done_.fetch_add(1, std::memory_order_release);
    }
  }

  void serve(int worker) noexcept {
    for (int spins = 0; !stop_.load(std::memory_order_relaxed);) {
      int const bell = bell_.load();  // before looking for work: what is published later changes it
      std::uint64_t const t = ticket_.load(std::memory_order_acquire);
      if (next(t) < size(t)) {
        work(worker);
        spins = 0;
      } else if (++spins < 1000) {
        relax();
      } else {
        sleepers_.fetch_add(1);
        if (!stop_.load()) bell_.wait(bell);
        sleepers_.fetch_sub(1);
        spins = 0;
      }
    }
  }

  processors processors_;
  bool pin_;
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<int> done_{0};
  alignas(64) std::atomic<function> call_{nullptr};
  std::atomic<void*> self_{nullptr};
  std::atomic<int> first_{0};
  std::uint64_t job_ = 0;
  alignas(64) std::atomic<int> bell_{0};
  std::atomic<int> sleepers_{0};
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

}  // namespace verbatim::cpu
