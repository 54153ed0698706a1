// The pool: every index once, by any number of threads, job after job, also after it slept; idle workers cost nothing.
#include <atomic>
#include <chrono>
#include <ctime>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "verbatim/backend/cpu/threads.hpp"

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
