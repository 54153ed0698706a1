// What the programs that time a GPU's kernels share: an executor with a clock (a GPU's own, by events; none under the emulator, where a
// program only shows that it runs), memory with random values, and rows of JSON with percent of floor.
#pragma once
#include <algorithm>
#include <cstdio>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "verbatim/backend/cuda/emulator.hpp"
#include "verbatim/backend/cuda/gpu.hpp"
#include "verbatim/backend/cuda/gpu_rates.hpp"
#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/text/json.hpp"

namespace gpu_bench {

using namespace verbatim;

template <class Executor> inline constexpr bool is_gpu = std::is_same_v<Executor, cuda::gpu>;

template <class Executor, class T> cuda::device_array<Executor, T> random_array(std::size_t count) {
  static_assert(sizeof(T) == sizeof(bf16));
  cuda::device_array<Executor, T> out(count);
  if constexpr (is_gpu<Executor>) cuda::fill_with_random(out.data(), count);
  else for (std::size_t i = 0; i < count; ++i) out.data()[i] = from_float<T>(float(i * 37 % 101) / 101 - 0.5f);
  return out;
}

struct rates {
  double read = 0, product = 0;   ///< bytes and operations a second; 0: not measured
};

/// Of some runs, each of which is many launches.
struct times {
  double median = 0, least = 0, most = 0;
};

/// Seconds of `enqueue`'s work by a stopwatch on its stream, of each of `runs`. Before each it is enqueued once more and not timed: the
/// clock then starts on a stream that is busy, and what the host takes to launch a graph, 5 to 10 us, is in no figure.
template <class Stopwatch, class F> std::vector<double> timed_runs(Stopwatch& watch, int runs, F&& enqueue) {
  std::vector<double> seconds;
  for (int i = 0; i < runs; ++i) {
    enqueue();
    watch.start();
    enqueue();
    seconds.push_back(watch.stop());
  }
  return seconds;
}

template <class Executor> class bench {
 public:
  Executor executor{};
  rates of{};
  int runs = 7;

  /// How many copies of what is read make the caches of no use; one under the emulator.
  static int copies_of(std::size_t bytes) {
    constexpr std::size_t beyond_caches = std::size_t(256) << 20;
    return is_gpu<Executor> ? int(std::clamp<std::size_t>(beyond_caches / std::max<std::size_t>(bytes, 1) + 1, 1, 64)) : 1;
  }

  /// Seconds of f(0), f(1), ... each, which enqueue: recorded as one graph of `count`, as an engine's steps are, and replayed.
  template <class F> times seconds_of(int count, F&& f) {
    auto const all = [&] { for (int i = 0; i < count; ++i) f(i); };
    cuda::graph_key const key{++keys_};
    executor.replay(key, all);
    executor.wait();
    if constexpr (is_gpu<Executor>) {
      executor.replay(key, all);   // records
      cuda::gpu_stopwatch watch(executor);
      std::vector<double> seconds = timed_runs(watch, runs, [&] { executor.replay(key, all); });
      executor.wait();   // which throws where a launch failed
      std::sort(seconds.begin(), seconds.end());
      return {seconds[seconds.size() / 2] / count, seconds.front() / count, seconds.back() / count};
    } else {
      return {};
    }
  }

  /// One object a line. The floor is the longer of moving the bytes and doing the arithmetic.
  void report(json row, double bytes, double flop, times const& t) const {
    row["bytes"] = bytes, row["flop"] = flop;
    if (t.median > 0) {
      row["seconds"] = t.median, row["least"] = t.least, row["most"] = t.most;
      row["gb_per_second"] = bytes / t.median / 1e9, row["tflop_per_second"] = flop / t.median / 1e12;
      if (of.read > 0) row["of_floor"] = std::max(bytes / of.read, of.product > 0 ? flop / of.product : 0) / t.median;
    }
    print(row);
  }
  static void print(json const& row) {
    std::printf("%s\n", dump_json(row).c_str());
    std::fflush(stdout);
  }

 private:
  int keys_ = 0;
};

/// Runs f; what has no room on the device is said in a row and left out.
template <class F> void where_it_fits(json row, F&& f) {
  try {
    f();
  } catch (error const& e) {
    if (e.area() != "device" || e.number() != 7) throw;
    row["failed"] = e.what();
    bench<cuda::emulator>::print(row);
  }
}

}  // namespace gpu_bench
