// What this machine can do at most, measured in the same run as what is held against it: the read bandwidth of memory and
// the rate of the fastest instructions that a CPU backend's dot products can be made of.
// Cost: about 0.6 s of all threads and 256 MiB. Best passes count, since disturbances only slow.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <type_traits>
#include <vector>

#include "verbatim/backend/cpu/mac.hpp"
#include "verbatim/core/bf16.hpp"
#include "verbatim/front/machine_limits.hpp"
#include "verbatim/weights/bandwidth.hpp"

namespace verbatim {

namespace detail {

/// Operations per second of one thread at mac<Isa, T> with operands in registers, the best of many short passes.
template <class Isa, class T> double mac_rate(double seconds, std::atomic<float>& sink) {
  using V = cpu::vector_of<Isa>;
  using clock = std::chrono::steady_clock;
  constexpr int chains = std::is_same_v<Isa, cpu::avx2> ? 6 : 12;      // enough to hide the latency, few enough for registers: two of avx2 each
  constexpr int rounds = 20'000;
  constexpr double operations = 2.0 * 16 * (sizeof(T) == 2 ? 2 : 1) * chains * rounds;
  V acc[chains];
  V const one(1.0f), tiny(1e-3f);
  alignas(64) float lanes[chains * 16];                                // all different: equal chains would be computed once
  float volatile start_value = 1;
  for (int i = 0; i < chains * 16; ++i) lanes[i] = float(i) * start_value;
  cpu::repeat<chains>([&](auto j) __attribute__((always_inline)) { acc[j] = V::load(lanes + j * 16); });
  double best = 0;
  for (auto const end = clock::now() + std::chrono::duration<double>(seconds); clock::now() < end;) {
    auto const start = clock::now();
    for (int i = 0; i < rounds; ++i)
      cpu::repeat<chains>([&](auto j) __attribute__((always_inline)) { acc[j] = cpu::mac<Isa, T>(acc[j], one, tiny); });
    best = std::max(best, operations / std::chrono::duration<double>(clock::now() - start).count());
  }
  cpu::repeat<chains>([&](auto j) __attribute__((always_inline)) { acc[j].store(lanes + j * 16); });
  for (float x : lanes) sink.store(x, std::memory_order_relaxed);      // the sums are looked at, so they must be made
  return best;
}

/// Of T's products, by whichever instructions are faster: a bf16 product is exact in f32, so fma is a way too.
template <class Isa, class T> double product_rate(double seconds, std::atomic<float>& sink) {
  if constexpr (sizeof(T) == 4) return mac_rate<Isa, T>(seconds, sink);
  else return std::max(mac_rate<Isa, T>(seconds / 2, sink), mac_rate<Isa, float>(seconds / 2, sink));
}

}  // namespace detail

/// Device: an instruction set of the CPU backend. T: bf16 or float. Threads run at once; their rates add up.
template <cpu::instruction_set Device, class T> machine_limits measure_limits(int threads) {
  std::atomic<float> sink{0};
  std::vector<double> rates(std::size_t(std::max(1, threads)));
  std::vector<std::thread> others;
  for (std::size_t i = 1; i < rates.size(); ++i) others.emplace_back([&, i] { rates[i] = detail::product_rate<Device, T>(0.3, sink); });
  rates[0] = detail::product_rate<Device, T>(0.3, sink);
  for (auto& t : others) t.join();
  double sum = 0;
  for (double r : rates) sum += r;
  return {.read_gb_per_second = weights::measure_read_bandwidth(0.3, unsigned(rates.size())) / 1e9, .gflop_per_second = sum / 1e9};
}

}  // namespace verbatim
