// The benchmark harness: runs one workload on an engine through its public surface and reports rates, latencies and the
// part of the machine's physical floor that they reach. The floor is computed from the model's own weight table.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "verbatim/engine/engine.hpp"
#include "verbatim/front/machine_limits.hpp"
#include "verbatim/front/timeline.hpp"
#include "verbatim/weights/floors.hpp"

namespace verbatim {

/// What runs: `batch` sequences at once, each with its own random prompt unless `shared_prompt`.
struct workload {
  int batch = 1, prompt = 128, output = 128;
  int repetitions = 5;
  bool shared_prompt = false;
  float temperature = 0;      ///< 0: greedy
  std::uint64_t seed = 1;
};

namespace detail {

template <class P> timeline run_once(engine<P>& engine, workload const& w, std::uint64_t seed) {
  auto const now = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); };
  timeline out;
  out.tokens.resize(std::size_t(w.batch));
  std::uint64_t state = seed * 0x9e3779b97f4a7c15ull + 1;
  auto const random_id = [&] {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return token((state >> 33) % std::uint64_t(engine.config().vocabulary));
  };
  std::vector<request> requests(static_cast<std::size_t>(w.batch));
  for (auto& r : requests) {
    if (w.shared_prompt && &r != &requests.front()) r.prompt = requests.front().prompt;
    else for (int i = 0; i < w.prompt; ++i) r.prompt.push_back(random_id());
    r.max_tokens = w.output;
    r.ignore_eos = true;
    r.sampling.temperature = w.temperature;
    r.sampling.seed = seed + std::uint64_t(&r - requests.data());
  }
  for (auto& times : out.tokens) times.reserve(std::size_t(w.output));
  int open = w.batch;
  out.start = now();
  std::string failure;
  std::vector<ticket> tickets;
  try {
    for (std::size_t i = 0; i < requests.size(); ++i)
      tickets.push_back(engine.submit(std::move(requests[i]), [&out, &open, &now, &failure, i](event const& e) {
        if (e.what == event::kind::token) out.arrived(i, now);
        if (e.what == event::kind::started) out.cached += e.cached_tokens;
        if (e.what != event::kind::finished) return;
        --open;
        if (e.finish == finish_reason::error) failure = e.error;
      }));
  } catch (...) {   // the sinks refer to this frame: nothing may outlive it
    for (auto const& t : tickets) t.cancel();
    while (engine.poll()) {}
    throw;
  }
  do out.begin_step();
  while (open > 0 && engine.poll());
  if (open > 0) {   // paused: the sinks end with this frame
    for (auto const& t : tickets) t.cancel();
    engine.poll();
    failure = "the engine is paused";
  }
  for (auto const& times : out.tokens)
    if (failure.empty() && int(times.size()) != w.output) failure = "prompt and output are longer than the context";
  if (!failure.empty()) throw error("engine", 10, "the workload did not run to its end: " + failure);
  return out;
}

}  // namespace detail

/// Drives the engine: nothing else may poll it meanwhile. One repetition more is run first and not counted.
/// Throws error("engine", 1 | 2) when the queue refuses, error("engine", 10) when the workload does not fit the engine or is too short to have
/// all sequences decode at once.
template <class P> measured measure(engine<P>& engine, workload const& w, machine_limits const& limits = {}) {
  if (long const tokens = long(w.prompt) + w.output; tokens > engine.context())
    throw error("engine", 10, "the workload does not fit: " + std::to_string(w.prompt) + " prompt and " + std::to_string(w.output) + " output tokens are " +
                                  std::to_string(tokens) + " a sequence, and the engine has " + std::to_string(engine.context()));
  std::vector<measured> runs;
  // no prompt comes twice
  std::uint64_t const of_workload = ((std::uint64_t(w.batch) << 40) + (std::uint64_t(w.prompt) << 20) + std::uint64_t(w.output)) * 0x9e3779b97f4a7c15ull;
  for (int i = 0; i <= w.repetitions; ++i) {
    auto const m = detail::run_once(engine, w, w.seed + of_workload + std::uint64_t(i) * 1000003u).summary(w.prompt);
    if (i > 0) runs.push_back(m);
  }
  measured out;
  for (double measured::*field : {&measured::prefill_tokens_per_second, &measured::cached_tokens, &measured::decode_tokens_per_second, &measured::ttft_seconds,
                                  &measured::itl_p50_seconds, &measured::itl_p99_seconds}) {
    std::vector<double> values;
    for (auto const& m : runs) values.push_back(m.*field);
    out.*field = detail::quantile(values, 0.5);
  }
  if (limits.read_gb_per_second > 0) {
    constexpr int width = sizeof(typename P::dtype);
    auto floor = weights::floors_of(engine.config(), width, width);
    floor.step_bytes = std::int64_t(double(floor.read) * bits_of(engine.resources().formats.weights, 8.0 * width) / 8);
    floor.kv_bytes = std::int64_t(double(floor.kv_bytes) / width * bits_of(engine.resources().formats.kv, engine.config().head_dim, 8.0 * width) / 8);
    double const bandwidth = limits.read_gb_per_second * 1e9, rate = limits.gflop_per_second * 1e9;
    double const step = floor.step_seconds(w.batch, w.prompt + w.output / 2, bandwidth, rate);
    double const prefill = std::max(double(floor.step_bytes) / bandwidth, rate > 0 ? w.batch * floor.prefill_flops(w.prompt) / rate : 0);
    out.decode_of_floor = out.decode_tokens_per_second * step / w.batch;
    out.prefill_of_floor = out.prefill_tokens_per_second * prefill / (double(w.batch) * w.prompt);
  }
  return out;
}

}  // namespace verbatim
