// Parts of a pipeline, swapped one at a time and measured side by side on the shapes of a 0.5 B model: attention, cache, products,
// sampler, contract, and the formats of weights and of keys and values. The engines of a group take turns in every round; a ratio
// is the median over the rounds of an engine's decode rate over that of the group's first.
// Options: [rounds] (default 5) [config.json] [--json].
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "../examples/pipelines.hpp"
#include "limits.hpp"
#include "shapes.hpp"
#include "verbatim/cache/contiguous.hpp"
#include "verbatim/cache/sliding.hpp"
#include "verbatim/engine/engine.ipp.hpp"
#include "verbatim/front/measure.hpp"
#include "verbatim/sampling/greedy.hpp"

namespace {

namespace cpu = verbatim::cpu;

using standard = examples::qwen2_bf16;   // its engine is compiled with those of the examples
struct separate : standard { using attention = cpu::separate_attention; };
struct in_runs : standard { using cache = verbatim::contiguous<64>; };
struct in_window : standard { using cache = verbatim::sliding<64>; };
struct by_fma : standard { using linear = cpu::fma_linear; };
struct by_dot : standard { using linear = cpu::dot_linear; };
struct bare_gumbel : standard { using sampler = verbatim::sample<verbatim::temperature, verbatim::gumbel>; };
struct bare_greedy : standard { using sampler = verbatim::sample<verbatim::greedy>; };
struct loose : standard { static constexpr verbatim::numerics contract = verbatim::fastest; };

struct contestant {
  std::string name;
  std::function<verbatim::measured(verbatim::workload const&)> run;
};

template <class P> contestant make(std::string name, verbatim::engine_config const& config) {
  auto const engine = std::make_shared<verbatim::engine<P>>(config);
  return {std::move(name), [engine](verbatim::workload const& w) { return verbatim::measure(*engine, w); }};
}

void compare(char const* part, std::vector<contestant> const& all, verbatim::workload w, int rounds, bool json) {
  std::vector<std::vector<double>> decode(all.size()), prefill(all.size()), ratio(all.size());
  w.repetitions = 1;
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> now(all.size());
    w.seed += 100;
    for (std::size_t k = 0; k < all.size(); ++k) {
      std::size_t const i = round % 2 ? all.size() - 1 - k : k;
      auto const m = all[i].run(w);
      decode[i].push_back(now[i] = m.decode_tokens_per_second), prefill[i].push_back(m.prefill_tokens_per_second);
    }
    for (std::size_t i = 0; i < all.size(); ++i) ratio[i].push_back(now[i] / now[0]);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    double const d = limits::median(decode[i]), p = limits::median(prefill[i]), r = limits::median(ratio[i]);
    if (json)
      std::printf("{\"part\": \"%s\", \"policy\": \"%s\", \"batch\": %d, \"prompt\": %d, \"output\": %d, \"shared_prompt\": %s, \"rounds\": %d, "
                  "\"prefill_tokens_per_second\": %.1f, \"decode_tokens_per_second\": %.1f, \"ratio\": %.3f}\n", part, all[i].name.c_str(), w.batch, w.prompt, w.output,
                  w.shared_prompt ? "true" : "false", rounds, p, d, r);
    else std::printf("%-10s %-34s %5d %6d %6d %12.1f %12.1f %8.3f\n", part, all[i].name.c_str(), w.batch, w.prompt, w.output, p, d, r);
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  bool const json = argc > 1 && std::strcmp(argv[argc - 1], "--json") == 0;
  int const given = argc - json, rounds = given > 1 ? std::max(1, std::atoi(argv[1])) : 5;
  shapes::file const shape(shapes::qwen2_5_0_5b), windowed(shapes::windowed);
  verbatim::engine_config const base{.checkpoint = given > 2 ? std::filesystem::path(argv[2]) : shape.path(), .random_weights = true, .max_batch = 32,
                                     .chunk_tokens = 512, .context = 2048, .kv_bytes = std::size_t(900) << 20};
  auto const with = [&](auto change) {
    auto c = base;
    change(c);
    return c;
  };
  if (!json) std::printf("%-10s %-34s %5s %6s %6s %12s %12s %8s\n", "part", "policy", "batch", "prompt", "output", "prefill/s", "decode/s", "ratio");
  verbatim::workload const common{.batch = 16, .prompt = 32, .output = 24};
  compare("attention", {make<standard>("leaf_attention", base), make<separate>("separate_attention", base)},
          {.batch = 32, .prompt = 1024, .output = 24, .shared_prompt = true}, rounds, json);
  auto const long_runs = with([](auto& c) { c.max_batch = 16, c.context = 1088; });
  compare("cache", {make<standard>("paged<64>", long_runs), make<in_runs>("contiguous<64>", long_runs)}, common, rounds, json);
  auto const in_windows = with([&](auto& c) { c.checkpoint = windowed.path(); });
  compare("cache", {make<standard>("paged<64>, window 256", in_windows), make<in_window>("sliding<64>, window 256", in_windows)},
          {.batch = 4, .prompt = 512, .output = 24}, rounds, json);
  compare("linear", {make<standard>("packed_linear", base), make<by_fma>("fma_linear", base), make<by_dot>("dot_linear", base)}, common, rounds, json);
  auto sampled = common;
  sampled.temperature = 1;
  compare("sampler", {make<standard>("full_sampler", base), make<bare_gumbel>("temperature, gumbel", base), make<bare_greedy>("greedy", base)}, sampled, rounds, json);
  compare("contract", {make<standard>("batch_invariant", base), make<loose>("fastest", base)}, common, rounds, json);
  compare("weights", {make<standard>("bf16", base), make<standard>("int8", with([](auto& c) { c.weights = verbatim::weight_format::int8; })),
                      make<standard>("int4", with([](auto& c) { c.weights = verbatim::weight_format::int4; })),
                      make<standard>("w4a8", with([](auto& c) { c.weights = verbatim::weight_format::w4a8; }))}, common, rounds, json);
  compare("kv", {make<standard>("bf16", base), make<standard>("int8", with([](auto& c) { c.kv = verbatim::kv_format::int8; }))},
          {.batch = 4, .prompt = 512, .output = 24}, rounds, json);
}
