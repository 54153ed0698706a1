// A quick measurement of the memory's read bandwidth, the ceiling that decode is held against.
// Cost: `seconds` of all threads and 256 MiB of memory for its duration. The buffer is read in passes of 32 MiB, so that
// some fit between the interruptions of a busy machine; the best counts, since disturbances only slow.
// Not a benchmark record: on a shared machine expect ten or twenty percent of noise.
#pragma once
#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>
#include <vector>

namespace verbatim::weights {

namespace detail {

/// Sums in eight independent chains, so that loads and not additions are the limit.
inline std::uint64_t sum_of(std::uint64_t const* p, std::size_t words) noexcept {
  std::uint64_t s[8] = {};
  for (std::size_t i = 0; i + 8 <= words; i += 8)
    for (std::size_t j = 0; j < 8; ++j) s[j] += p[i + j];
  return s[0] + s[1] + s[2] + s[3] + s[4] + s[5] + s[6] + s[7];
}

}  // namespace detail

/// Bytes per second read by `threads` threads together (0: one per core), out of a buffer that no cache holds.
inline double measure_read_bandwidth(double seconds = 0.3, unsigned threads = 0) {
  if (threads == 0) threads = std::max(1u, std::thread::hardware_concurrency());
  constexpr std::size_t total = std::size_t(256) << 20, passes = 8;
  std::size_t const words = total / 8 / passes / threads / 8 * 8;   // of one thread in one pass
  using clock = std::chrono::steady_clock;
  std::atomic<std::uint64_t> sink = 0;
  std::atomic<bool> done = false;
  clock::time_point const end = clock::now() + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(seconds));
  clock::time_point last{};
  double best = 0;
  std::barrier gate(std::ptrdiff_t(threads), [&]() noexcept {   // once per pass, by one thread
    auto const now = clock::now();
    double const took = std::chrono::duration<double>(now - last).count();
    if (last != clock::time_point{} && took > 0) best = std::max(best, double(words) * 8 * threads / took);
    last = now;
    done = now > end && best > 0;
  });
  auto const work = [&] {
    std::vector<std::uint64_t> const mine(words * passes, 1);       // touched by the thread that reads it
    gate.arrive_and_wait();
    for (std::size_t pass = 0; !done; ++pass) {
      sink += detail::sum_of(mine.data() + pass % passes * words, words);
      gate.arrive_and_wait();
    }
  };
  std::vector<std::thread> pool;
  for (unsigned i = 1; i < threads; ++i) pool.emplace_back(work);
  work();
  for (auto& t : pool) t.join();
  return best;
}

}  // namespace verbatim::weights
