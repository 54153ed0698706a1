// What exactness costs: a model of random weights under the contract `batch_invariant` and under `fastest`, alternating in one run: each
// round measures exact, loose, loose, exact. On a CPU `fastest` lets the backend order its sums as it likes; on a GPU its products are
// cuBLASLt's (backend/cuda/library_linear.hpp), and all else is the same. Ratios are of tokens a second, medians over rounds; one JSON
// object a line.
//   bench_contract [--device cpu|cuda] [--dry] [--rounds N] [--batch N,N,...] [CONFIG.json]     a model of the qwen2 family [Qwen2.5-0.5B]
// --dry: a round of small steps, untimed. Exit code 77: there is no GPU here. Needs room for the weights twice.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "../examples/pipelines.hpp"
#include "verbatim/backend/cuda/gpu.hpp"
#include "verbatim/backend/cuda/library_linear.hpp"
#include "verbatim/engine/engine.ipp.hpp"
#include "verbatim/front/measure.hpp"
#include "verbatim/text/json.hpp"

namespace {

template <class Device> using exact = examples::standard<verbatim::qwen2, verbatim::bf16, Device>;
template <class Device> struct loose : exact<Device> {
  static constexpr verbatim::numerics contract = verbatim::fastest;
};
template <> struct loose<verbatim::cuda::sm90> : exact<verbatim::cuda::sm90> {
  using linear = verbatim::cuda::library_linear;
  static constexpr verbatim::numerics contract = verbatim::fastest;
};

struct plan {
  std::filesystem::path config{};
  int rounds, prefill, prompt, output = 32;   // short: products are most of a step
  std::vector<int> batch;
  bool dry = false, either_order;   // where an engine's memory lies and which was made first matter by some percent
};
plan const on_cpu{.rounds = 6, .prefill = 512, .prompt = 32, .batch = {1, 16}, .either_order = true};
plan const on_gpu{.rounds = 5, .prefill = 2048, .prompt = 64, .batch = {1, 64, 256}, .either_order = false};   // weights take long to make

struct row {
  char const* what;
  verbatim::workload work;
  double verbatim::measured::*field;
  std::vector<double> invariant{}, fastest{}, ratio{};
};

void print(plan const& p, row const& r, char const* device) {
  verbatim::json line{{"what", r.what}, {"shape", p.config.stem().string()}, {"device", device}, {"batch", r.work.batch}, {"prompt", r.work.prompt},
                      {"output", r.work.output}, {"rounds", p.rounds}};
  auto const median = [](auto const& of) { return verbatim::detail::quantile(of, 0.5); };
  if (!p.dry) line["batch_invariant"] = median(r.invariant), line["fastest"] = median(r.fastest), line["ratio"] = median(r.ratio);
  std::printf("%s\n", verbatim::dump_json(line).c_str());
  std::fflush(stdout);
}

/// Adds `rounds` measurements to each row, of engines made in this order, and prints it where that completes it.
template <class First, class Second> void measure(plan const& p, verbatim::engine_config const& options, int rounds, std::vector<row>& rows) {
  auto const a = std::make_unique<verbatim::engine<First>>(options);
  auto const b = std::make_unique<verbatim::engine<Second>>(options);
  constexpr bool inverse = First::contract.level < Second::contract.level;
  std::fprintf(stderr, "%s\nagainst\n%s\n", a->contract_text().c_str(), b->contract_text().c_str());
  for (row& r : rows) {
    verbatim::measure(*a, r.work), verbatim::measure(*b, r.work);   // the first time is no measure
    for (int i = 0; i < rounds; ++i) {
      auto const speed = [&](auto& engine) {
        return verbatim::measure(engine, r.work).*r.field;
      };
      r.work.seed += 100;   // prompts that no prefix index has seen
      double const first = speed(*a), second = speed(*b);
      r.work.seed += 100;
      double const again = speed(*b), last = speed(*a), x = (first + last) / 2, y = (second + again) / 2;
      r.invariant.push_back(inverse ? y : x), r.fastest.push_back(inverse ? x : y), r.ratio.push_back(inverse ? y / x : x / y);
    }
    if (int(r.ratio.size()) == p.rounds) print(p, r, First::device::name);
  }
}

template <class Device> void compare(plan const& p) {
  int const most = *std::max_element(p.batch.begin(), p.batch.end()), context = std::max(p.prefill + 2, p.prompt + p.output);
  int const pages = std::max(most * ((p.prompt + p.output) / 64 + 2), context / 64 + 2);
  auto const f = verbatim::weights::floors_of(verbatim::read_config(p.config).config, 2, 2);
  verbatim::engine_config const options{.checkpoint = p.config, .random_weights = true, .max_batch = most, .step_tokens = p.prefill,
                                        .chunk_tokens = p.prefill, .context = context, .kv_bytes = std::size_t(f.kv_bytes) * 64 * std::size_t(pages)};
  std::vector<row> rows{{"prefill", {.batch = 1, .prompt = p.prefill, .output = 2, .repetitions = 1}, &verbatim::measured::prefill_tokens_per_second}};
  for (int batch : p.batch)
    rows.push_back({"decode", {.batch = batch, .prompt = p.prompt, .output = p.output, .repetitions = 1}, &verbatim::measured::decode_tokens_per_second});
  int const other = p.either_order ? p.rounds / 2 : 0;
  measure<exact<Device>, loose<Device>>(p, options, p.rounds - other, rows);
  if (other) measure<loose<Device>, exact<Device>>(p, options, other, rows);
}

std::vector<int> numbers(char const* at) {
  std::vector<int> out;
  while (*at) {
    char* end = nullptr;
    long const n = std::strtol(at, &end, 10);
    if (end == at || n < 1 || n > 4096 || (*end && (*end != ',' || !end[1]))) return {};
    out.push_back(int(n));
    at = *end ? end + 1 : end;
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) try {
  bool cuda = false, wrong = false;
  for (int i = 1; i + 1 < argc; ++i)
    if (std::string_view(argv[i]) == "--device") cuda = std::string_view(argv[i + 1]) == "cuda", wrong |= !cuda && std::string_view(argv[i + 1]) != "cpu";
  plan p = cuda ? on_gpu : on_cpu;
  for (int i = 1; i < argc; ++i) {
    std::string_view const word = argv[i];
    if (word == "--dry") p.dry = true;
    else if (word == "--device" && i + 1 < argc) ++i;
    else if (word == "--rounds" && i + 1 < argc) p.rounds = std::max(2, std::atoi(argv[++i]));
    else if (word == "--batch" && i + 1 < argc) p.batch = numbers(argv[++i]), wrong |= p.batch.empty();
    else if (!word.starts_with("-") && p.config.empty()) p.config = word;
    else wrong = true;
  }
  if (wrong) {
    std::fprintf(stderr, "usage: bench_contract [--device cpu|cuda] [--dry] [--rounds N] [--batch N,N,...] [CONFIG.json]\n");
    return 2;
  }
  if (p.config.empty()) p.config = VERBATIM_SOURCE_DIR "/benchmarks/shapes/qwen2.5-0.5b.json";
  if (p.dry) p.rounds = 2, p.prefill = 70, p.prompt = 9, p.output = 3, p.batch = {1, 3};
  if (!cuda) return compare<verbatim::cpu::native>(p), 0;
#if VERBATIM_WITH_CUDA
  if (verbatim::cuda::gpu_count() == 0) {
    std::fprintf(stderr, "no CUDA device can be used here: %s. Nothing was measured (--device cpu --dry runs a round)\n", verbatim::cuda::why_no_gpu().c_str());
    return 77;
  }
  return compare<verbatim::cuda::sm90>(p), 0;
#else
  throw verbatim::error("device", 8, "this program was built without CUDA: build again with -DVERBATIM_CUDA=ON");
#endif
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
