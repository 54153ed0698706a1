// verbatim bench: rates and latencies of a model on this machine, and the part of its physical floor that they reach.
#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "model_dispatch.hpp"
#include "verbatim/front/gpu_limits.hpp"
#include "verbatim/front/limits.hpp"
#include "verbatim/front/measure.hpp"
#include "verbatim/text/json.hpp"

namespace {

struct bench_options {
  cli::model_options model;
  std::string random_config;
  std::vector<int> batch{1, 8, 32}, prefill;
  int prompt = 128, output = 128, repetitions = 5;
  float temperature = 0;
  bool shared = false, json = false, no_floor = false;
};

/// Of this process, in main memory now; 0 where /proc is missing. Pages for keys and values count once they were written.
std::size_t resident_bytes() {
  std::size_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * std::size_t(sysconf(_SC_PAGESIZE));
}

template <class P> void print_json(verbatim::engine<P>& engine, bench_options const& o, verbatim::workload const& w,
                                   verbatim::machine_limits const& limits, double floor_change, verbatim::measured const& m) {
  auto const memory = engine.resources();
  std::string_view const stored = memory.formats.weights != verbatim::weight_format::checkpoint ? verbatim::name_of(memory.formats.weights)
                                  : sizeof(typename P::dtype) == 2 ? "bf16" : "f32";
  verbatim::json line{{"model", engine.name()}, {"device", P::device::name}, {"weights", stored}, {"kv", verbatim::name_of(memory.formats.kv)},
                      {"contract", verbatim::name_of(P::contract.level)}, {"threads", memory.threads}, {"batch", w.batch}, {"prompt", w.prompt},
                      {"output", w.output}, {"repetitions", w.repetitions}, {"shared_prompt", o.shared}, {"cached_tokens", m.cached_tokens},
                      {"prefill_tokens_per_second", m.prefill_tokens_per_second}, {"decode_tokens_per_second", m.decode_tokens_per_second},
                      {"ttft_seconds", m.ttft_seconds}, {"itl_p50_seconds", m.itl_p50_seconds}, {"itl_p99_seconds", m.itl_p99_seconds},
                      {"weight_bytes", memory.weight_bytes}, {"kv_bytes", memory.kv_bytes}, {"resident_bytes", resident_bytes()}};
  if (limits.read_gb_per_second > 0) {
    line["floor"] = {{"read_gb_per_second", limits.read_gb_per_second}, {"gflop_per_second", limits.gflop_per_second}};
    line["floor_change"] = floor_change;
    line["prefill_of_floor"] = m.prefill_of_floor;
    line["decode_of_floor"] = m.decode_of_floor;
  }
  std::printf("%s\n", verbatim::dump_json(line).c_str());
}

std::string percent(double part) {   // 0: the floor was not measured
  char text[32];
  std::snprintf(text, sizeof text, "%.1f%%", 100 * part);
  return part > 0 ? text : "-";
}

constexpr double unsteady = 0.1;   ///< by how much a machine's limits may change during a row before that is worth a word

std::string apart(verbatim::machine_limits const& before, verbatim::machine_limits const& after) {
  char text[160];
  std::snprintf(text, sizeof text, "the limits were %.1f GB/s and %.0f GFLOP/s before, %.1f GB/s and %.0f GFLOP/s after", before.read_gb_per_second,
                before.gflop_per_second, after.read_gb_per_second, after.gflop_per_second);
  return text;
}

/// Tokens of the longest sequence, and by which options.
struct longest_sequence {
  int tokens = 0;
  std::string text;
  explicit longest_sequence(bench_options const& o) {
    for (int n : o.prefill)
      if (n + 2 > tokens) tokens = n + 2, text = "--prefill " + std::to_string(n) + " and its 2 of output";
    if (o.prompt + o.output >= tokens) tokens = o.prompt + o.output, text = "--prompt " + std::to_string(o.prompt) + " and --output " + std::to_string(o.output);
  }
  /// What is refused: `limit` tokens are what `has` allows, and `advice` says which option would change that.
  verbatim::error beyond(int limit, std::string const& has, std::string const& advice) const {
    return verbatim::error("usage", 4, text + " are " + std::to_string(tokens) + " tokens a sequence; " + has + " " + std::to_string(limit) + ". Lower them" + advice);
  }
};

template <class P> int bench(verbatim::engine<P>& engine, bench_options const& o) {
  if (longest_sequence const longest(o); longest.tokens > engine.context())
    throw longest.beyond(engine.context(), "the memory for keys and values holds", ", or raise --kv-memory");
  auto const memory = engine.resources();
  int const at_once = memory.kv_pages / ((o.prompt + o.output + memory.page_tokens - 1) / memory.page_tokens);
  if (int const most = *std::max_element(o.batch.begin(), o.batch.end()); most > at_once && !o.shared)
    std::fprintf(stderr, "note: the memory for keys and values holds %d of %d such sequences at once, so the others wait; --kv-memory changes that\n", at_once, most);
  auto const measure_floor = [&]() -> verbatim::machine_limits {
    if (o.no_floor) return {};
    if constexpr (verbatim::cuda::device<typename P::device>) return verbatim::measure_gpu_limits();
    else return verbatim::measure_limits<typename P::device, typename P::dtype>(engine.resources().threads);
  };
  if (!o.no_floor) std::fprintf(stderr, "measuring this machine's limits, now and after each row\n");
  verbatim::machine_limits limits = measure_floor(), before = limits;   // the best so far, and the last
  if (!o.json) {
    std::printf("%s, %d threads", engine.name().c_str(), engine.resources().threads);
    if (!o.no_floor) std::printf("; machine: %.1f GB/s read, %.0f GFLOP/s", limits.read_gb_per_second, limits.gflop_per_second);
    std::printf("\n%6s %7s %7s %14s %9s %14s %9s %9s %9s %9s\n", "batch", "prompt", "output", "prefill tok/s", "of floor",
                "decode tok/s", "of floor", "ttft ms", "itl p50", "itl p99");
  }
  auto const row = [&](verbatim::workload const& w) {
    std::fprintf(stderr, "batch %d, prompts of %d: %d repetitions and one to warm up\n", w.batch, w.prompt, w.repetitions);
    auto const m = verbatim::measure(engine, w, limits);
    auto const after = measure_floor();
    double const changed = verbatim::change(before, after);
    if (o.json) print_json(engine, o, w, limits, changed, m);
    else std::printf("%6d %7d %7d %14.1f %9s %14.1f %9s %9.2f %9.2f %9.2f\n", w.batch, w.prompt, w.output, m.prefill_tokens_per_second,
                     percent(m.prefill_of_floor).c_str(), m.decode_tokens_per_second, percent(m.decode_of_floor).c_str(), 1e3 * m.ttft_seconds,
                     1e3 * m.itl_p50_seconds, 1e3 * m.itl_p99_seconds);
    std::fflush(stdout);
    if (changed > unsteady) std::fprintf(stderr, "note: %s; the machine is busy, so this row and its floor say little\n", apart(before, after).c_str());
    for (auto const& [what, part] : {std::pair{"prefill", m.prefill_of_floor}, {"decode", m.decode_of_floor}})
      if (part > 1) std::fprintf(stderr, "note: %s is above its floor: the model fits the caches, or the floor was measured while the machine was busy\n", what);
    before = after, limits = verbatim::best_of(limits, after);
  };
  for (int prompt : o.prefill) row({.batch = 1, .prompt = prompt, .output = 2, .repetitions = o.repetitions, .temperature = o.temperature});
  for (int batch : o.batch)
    row({.batch = batch, .prompt = o.prompt, .output = o.output, .repetitions = o.repetitions, .shared_prompt = o.shared, .temperature = o.temperature});
  return cli::success;
}

}  // namespace

int run_bench(int argc, char** argv) {
  bench_options o;
  cli::options options("bench", "Measures prefill and decode: medians over repetitions, and percent of the machine's floor.");
  options.text("--model", "DIR", o.model.model, "model directory in Hugging Face layout (this or --random-weights is required)");
  options.text("--random-weights", "CONFIG.json", o.random_config,
               "no checkpoint: seeded random weights of these shapes; the file or its folder (this or --model is required)");
  o.model.declare_values(options);
  options.numbers("--batch", "N,N,...", o.batch, 1, 4096, "sequences at once");
  options.number("--prompt", "N", o.prompt, 1, 1 << 20, "prompt tokens of each");
  options.notes("A floor is reading all weights from memory, or the arithmetic: a model that fits the caches may be above 100 %. It is measured before the "
                "first row and after each; where the two differ by more than a tenth (floor_change of --json), the machine is busy and a note says so. A row "
                "is held against the best so far. Decoding is timed while all sequences of the batch decode. Without --chunk-tokens a step takes as many "
                "prompt tokens as it has room for, so that this begins soon.");
  options.numbers("--prefill", "N,N,...", o.prefill, 1, 1 << 20, "rows before those: one prompt of so many tokens, and two of output");
  options.number("--output", "N", o.output, 2, 1 << 20, "output tokens of each");
  options.number("--repetitions", "N", o.repetitions, 1, 1000, "medians are over these");
  options.number("--temperature", "X", o.temperature, 0.0f, 2.0f, "0: greedy");
  options.flag("--shared-prompt", o.shared, "all sequences have the same prompt");
  options.flag("--no-floor", o.no_floor, "do not measure the machine's limits");
  options.flag("--json", o.json, "one JSON object a line");
  if (auto code = options.parse(argc, argv)) return *code;
  if (o.model.model.empty() == o.random_config.empty()) return options.usage_error("exactly one of --model DIR and --random-weights CONFIG.json is needed");
  if (!o.random_config.empty()) o.model.model = o.random_config, o.model.random_weights = true;
  if (o.model.chunk_tokens == 0) o.model.chunk_tokens = o.model.step_tokens;   // the sooner all prompts are computed, the longer the whole batch decodes
  int most = 1;
  for (int b : o.batch) most = std::max(most, b);
  o.model.max_batch = std::max(o.model.max_batch, most);
  longest_sequence const longest(o);
  int const most_tokens = verbatim::read_config(o.model.model).config.context;
  if (longest.tokens > most_tokens) throw longest.beyond(most_tokens, "the model was made for", "");
  if (o.model.context == 0) o.model.context = longest.tokens;
  if (longest.tokens > o.model.context) throw longest.beyond(o.model.context, "--context allows", ", or raise --context");
  if (!o.shared)
    for (int b : o.batch)
      if (long const fewest = verbatim::detail::fewest_output(b, o.prompt, std::max(o.model.step_tokens, o.model.max_batch + 1), o.model.chunk_tokens); o.output < fewest)
        throw verbatim::error("usage", 4, "--batch " + std::to_string(b) + " and --prompt " + std::to_string(o.prompt) + " with --step-tokens " +
                                              std::to_string(o.model.step_tokens) + ": with --output " + std::to_string(o.output) +
                                              " the first sequence would end before the last prompt is computed, so the whole batch would never decode."
                                              " --output " + std::to_string(fewest) + " or more is needed, or a larger --step-tokens");
  return cli::with_model(o.model, [&](auto& engine) { return bench(engine, o); });
}
