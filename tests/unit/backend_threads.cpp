// The pool: every index once, by any number of threads, job after job, also after it slept; idle workers cost nothing.
#include <atomic>
#include <algorithm>
#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif

#include "catch.hpp"
#include "verbatim/backend/cpu/threads.hpp"
#include "verbatim/weights/random_values.hpp"

using verbatim::cpu::pool;

TEST_CASE("threads: every index runs exactly once") {
  for (int threads : {1, 2, 3, 5}) {
    pool p(threads);
    REQUIRE(p.threads() == threads);
    std::vector<std::atomic<int>> count(70000);
    int rounds = 0;
    for (int n : {0, 1, 2, 7, 64, 1000, 65535, 65536, 70000}) {
      p.run(n, [&](int i, int worker) {
        if (worker < 0 || worker >= threads) count[0] += 1000;
        ++count[std::size_t(i)];
      });
      ++rounds;
      int expected_first = 0;
      for (int m : {0, 1, 2, 7, 64, 1000, 65535, 65536, 70000})
        if (m > 0 && m <= n) ++expected_first;
      REQUIRE(count[0] == expected_first);
    }
    REQUIRE(count[69999] == 1);
    REQUIRE(count[500] == 4);
    REQUIRE(count[65535] == 2);
  }
}

TEST_CASE("threads: short jobs follow each other, with pauses in which workers fall asleep") {
  pool p(3);
  for (int job = 0; job < 3000; ++job) {
    std::atomic<int> sum = 0;
    p.run(8, [&](int i, int) { sum += i + 1; });
    REQUIRE(sum == 36);
    if (job % 500 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
}

TEST_CASE("threads: concurrent calls have workers of their own") {
  pool p(4);
  std::atomic<int> busy[4] = {}, clashes = 0;
  p.run(2000, [&](int, int worker) {
    if (busy[worker].exchange(1)) ++clashes;
    busy[worker] = 0;
  });
  CHECK(clashes == 0);
}

TEST_CASE("threads: an idle pool costs no CPU") {
  pool p(4);
  p.run(100, [](int, int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  auto const cpu = [] {
    timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
  };
  double const before = cpu();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(cpu() - before < 0.01);
}

#if defined(__linux__)
namespace {

/// Of the calling thread.
std::vector<int> may_use() {
  cpu_set_t set;
  REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
  std::vector<int> out;
  for (int c = 0; c < CPU_SETSIZE; ++c)
    if (CPU_ISSET(c, &set)) out.push_back(c);
  return out;
}

/// What each thread of a pool may use: all of them are asked, as each waits for the others.
std::vector<std::vector<int>> of_each(pool& p) {
  std::vector<std::vector<int>> out(static_cast<std::size_t>(p.threads()));
  std::atomic<int> here{0};
  p.run(p.threads(), [&](int, int worker) {
    out[std::size_t(worker)] = may_use();
    for (++here; here < p.threads();) std::this_thread::yield();
  });
  return out;
}

}  // namespace

TEST_CASE("threads: pinned ones keep to the first processors that their maker may use, the caller to its own when it says so") {
  std::thread([] {   // whose processors are its own affair
    std::vector<int> const all = may_use();
    int const threads = int(std::min<std::size_t>(all.size(), 4));
    {
      pool ended(threads, true);
      ended.keep_caller();
      CHECK(may_use() == std::vector<int>{all[0]});
    }
    CHECK(may_use() == all);
    pool pinned(threads, true);
    auto seen = of_each(pinned);
    CHECK(seen[0] == all);   // nobody said so yet
    for (int i = 1; i < threads; ++i) CHECK(seen[std::size_t(i)] == std::vector<int>{all[std::size_t(i)]});
    pinned.keep_caller();
    CHECK(of_each(pinned)[0] == std::vector<int>{all[0]});

    pool again(threads, true), loose(2), many(int(all.size()) + 1, true);   // made by a thread that keeps to one by now
    seen = of_each(again);
    for (int i = 1; i < threads; ++i) CHECK(seen[std::size_t(i)] == std::vector<int>{all[std::size_t(i)]});
    CHECK(of_each(loose)[1] == all);
    CHECK(of_each(many)[1] == all);   // too few for it: none is pinned

    cpu_set_t last;
    CPU_ZERO(&last);
    CPU_SET(all.back(), &last);
    std::thread([&] {   // as another engine that was given other processors
      REQUIRE(sched_setaffinity(0, sizeof last, &last) == 0);
      pool other(1, true);
      other.keep_caller();
      CHECK(may_use() == std::vector<int>{all.back()});
    }).join();
  }).join();
}

TEST_CASE("threads: those that fill random weights may use every processor, whatever their maker keeps to") {
  std::thread([] {
    std::vector<int> const all = may_use();
    pool pinned(1, true);
    pinned.keep_caller();
    REQUIRE(may_use() == std::vector<int>{all[0]});
    std::vector<std::vector<int>> seen(3);   // of three ranges of four values
    verbatim::weights::detail::in_ranges(12, 4, [&](std::size_t first, std::size_t) { seen[first / 4] = may_use(); });
    CHECK(seen[0] == all);
    CHECK(seen[1] == all);
    CHECK(seen[2] == std::vector<int>{all[0]});   // the maker's own
  }).join();
}
#endif
