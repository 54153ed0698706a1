// What exactness costs: a model of random weights under the contract `batch_invariant` and under `fastest`, alternating in one run: each
// round measures exact, loose, loose, exact. On a GPU the products of `fastest` are cuBLASLt's (backend/cuda/library_linear.hpp), and all else
// is the same. The CPU has one kind of product for both, so its ratio says what such a comparison is worth: it is near 1. Ratios are of
// tokens a second, medians over rounds; one JSON object a line. Exit code 77: there is no GPU here.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
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

constexpr char const* usage =
    "usage: bench_contract [--device cpu|cuda] [--dry] [--rounds N] [--batch N,N,...] [CONFIG.json]\n"
    "  CONFIG.json   a model of the qwen2 family, made of random weights, twice [Qwen2.5-0.5B, which takes some minutes on a CPU]\n"
    "  --rounds N    2 or more [6 on the CPU, half of them with the engines made in the other order; 5]\n"
    "  --batch N,N   sequences that decode [1,16 on the CPU; 1,64,256]\n"
    "  --dry         two rounds of a small model, untimed\n";

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
  std::fprintf(stderr, "made first: %s\nthen:       %s\n", a->contract_text().c_str(), b->contract_text().c_str());
  for (row& r : rows) {
    for (int i = 0; i < rounds; ++i) {
      std::fprintf(stderr, "%s, batch %d, round %d of %d\n", r.what, r.work.batch, int(r.ratio.size()) + 1, p.rounds);
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
  verbatim::engine_config const options{.checkpoint = p.config, .random_weights = true, .max_batch = most, .step_tokens = std::max(p.prefill, most),
                                        .chunk_tokens = p.prefill, .context = context, .kv_bytes = std::size_t(f.kv_bytes) * 64 * std::size_t(pages)};
  std::vector<row> rows{{"prefill", {.batch = 1, .prompt = p.prefill, .output = 2, .repetitions = 1}, &verbatim::measured::prefill_tokens_per_second}};
  for (int batch : p.batch)
    rows.push_back({"decode", {.batch = batch, .prompt = p.prompt, .output = p.output, .repetitions = 1}, &verbatim::measured::decode_tokens_per_second});
  int const other = p.either_order ? p.rounds / 2 : 0;
  measure<exact<Device>, loose<Device>>(p, options, p.rounds - other, rows);
  if (other) measure<loose<Device>, exact<Device>>(p, options, other, rows);
}

/// Numbers from `least` to 4096 between commas; none where something is not right.
std::vector<int> numbers(char const* at, int least = 1) {
  std::vector<int> out;
  while (*at) {
    char* end = nullptr;
    long const n = std::strtol(at, &end, 10);
    if (end == at || n < least || n > 4096 || (*end && (*end != ',' || !end[1]))) return {};
    out.push_back(int(n));
    at = *end ? end + 1 : end;
  }
  return out;
}

int wrong(std::string const& what) {
  std::fprintf(stderr, "bench_contract: %s\n%s", what.c_str(), usage);
  return 2;
}

}  // namespace

int main(int argc, char** argv) try {
  std::string_view device = "cpu";
  for (int i = 1; i + 1 < argc; ++i)
    if (std::strcmp(argv[i], "--device") == 0) device = argv[i + 1];
  if (device != "cpu" && device != "cuda") return wrong("there is no device '" + std::string(device) + "'");
  plan p = device == "cuda" ? on_gpu : on_cpu;
  bool const dry = std::any_of(argv + 1, argv + argc, [](char const* word) { return std::strcmp(word, "--dry") == 0; });
  if (dry) p.dry = true, p.rounds = 2, p.prefill = 70, p.prompt = 9, p.output = 3, p.batch = {1, 3};
  for (int i = 1; i < argc; ++i) {
    std::string const word = argv[i];
    char const* const value = i + 1 < argc ? argv[i + 1] : nullptr;
    if (word == "--help") return std::fputs(usage, stdout), 0;
    if (word == "--dry") continue;
    if (word.starts_with("--") && !value) return wrong(word + " needs a value, or is unknown");
    if (word == "--device") ++i;
    else if (word == "--rounds" || word == "--batch") {
      auto const n = numbers(value, word == "--rounds" ? 2 : 1);
      if (n.empty() || (word == "--rounds" && n.size() > 1))
        return wrong(word + ": '" + value + (word == "--batch" ? "': numbers from 1 to 4096, with commas between" : "': a number from 2 to 4096"));
      if (word == "--batch") p.batch = n;
      else p.rounds = n[0];
      ++i;
    } else if (word.starts_with("-")) return wrong("unknown option '" + word + "'");
    else if (!p.config.empty()) return wrong("two models");
    else p.config = word;
  }
  if (p.config.empty()) p.config = dry ? VERBATIM_SOURCE_DIR "/benchmarks/shapes/small.json" : VERBATIM_SOURCE_DIR "/benchmarks/shapes/qwen2.5-0.5b.json";
  if (device == "cpu") return compare<verbatim::cpu::native>(p), 0;
#if VERBATIM_WITH_CUDA
  if (verbatim::cuda::gpu_count() == 0) {
    std::fprintf(stderr, "no CUDA device can be used here: %s. Nothing was measured\n", verbatim::cuda::why_no_gpu().c_str());
    return 77;
  }
  return compare<verbatim::cuda::sm90>(p), 0;
#else
  throw verbatim::error("device", 8, "this program was built without CUDA: install the CUDA Toolkit and build again with -DVERBATIM_CUDA=ON");
#endif
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
