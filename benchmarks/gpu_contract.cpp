// What exactness costs on a GPU: a model of random weights under the contract `batch_invariant` and under `fastest`, whose products are
// cuBLASLt's (backend/cuda/library_linear.hpp), alternating in one run: each round measures exact, loose, loose, exact. Both have the
// same attention and sampler, so what is compared is the products. Ratios are of tokens a second, medians over rounds; one JSON object a line.
//   bench_gpu_contract [--dry] [--rounds N] [--batch N,N,...] CONFIG.json      a model of the qwen2 family
// --dry: a round of small steps under the emulator, untimed. Exit code 77: there is no GPU here. Needs twice the weights in its memory.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "../cmake/separate/emulated/kernels.hpp"
#include "verbatim/backend/cuda/device.hpp"
#include "verbatim/backend/cuda/gpu.hpp"
#include "verbatim/backend/cuda/library_linear.hpp"
#include "verbatim/engine/engine.ipp.hpp"
#include "verbatim/front/measure.hpp"
#include "verbatim/text/json.hpp"

namespace {

template <class Device> struct exact : verbatim::pipeline<Device, verbatim::qwen2> {};
template <class Device> struct loose : verbatim::pipeline<Device, verbatim::qwen2> {
  using linear = verbatim::cuda::library_linear;
  static constexpr verbatim::numerics contract = verbatim::fastest;
};

struct plan {
  std::filesystem::path config{};
  int rounds = 5, prefill = 2048, prompt = 64, output = 32;   // short: products are most of a step
  std::vector<int> batch{1, 64, 256};
  bool dry = false;
};

double median(std::vector<double> v) { return verbatim::detail::quantile(std::move(v), 0.5); }

template <class Device> void compare(plan const& p) {
  int const most = *std::max_element(p.batch.begin(), p.batch.end()), context = std::max(p.prefill + 2, p.prompt + p.output);
  int const pages = std::max(most * ((p.prompt + p.output) / 64 + 2), context / 64 + 2);
  auto const f = verbatim::weights::floors_of(verbatim::read_config(p.config).config, 2, 2);
  verbatim::engine_config options{.checkpoint = p.config, .random_weights = true, .max_batch = most,
                                  .step_tokens = p.prefill, .chunk_tokens = p.prefill, .context = context};
  options.kv_bytes = std::size_t(f.kv_bytes) * 64 * std::size_t(pages);
  verbatim::engine<exact<Device>> a(options);
  verbatim::engine<loose<Device>> b(options);
  std::fprintf(stderr, "%s\nagainst\n%s\n", a.contract_text().c_str(), b.contract_text().c_str());
  auto const row = [&](char const* what, verbatim::workload w, double verbatim::measured::*field) {
    w.repetitions = 1;
    std::vector<double> ratio, invariant, fastest;
    for (int i = 0; i < p.rounds; ++i) {
      auto const speed = [&](auto& engine) {
        w.seed += 100;   // prompts that no prefix index has seen
        return verbatim::measure(engine, w).*field;
      };
      double const x = speed(a), y = speed(b), z = speed(b), v = speed(a);
      ratio.push_back((x + v) / (y + z)), invariant.push_back((x + v) / 2), fastest.push_back((y + z) / 2);
    }
    verbatim::json line{{"what", what}, {"shape", p.config.stem().string()}, {"device", Device::name}, {"batch", w.batch}, {"prompt", w.prompt},
                        {"output", w.output}, {"rounds", p.rounds}};
    if (!p.dry) line["batch_invariant"] = median(invariant), line["fastest"] = median(fastest), line["ratio"] = median(ratio);
    std::printf("%s\n", verbatim::dump_json(line).c_str());
    std::fflush(stdout);
  };
  row("prefill", {.batch = 1, .prompt = p.prefill, .output = 2}, &verbatim::measured::prefill_tokens_per_second);
  for (int batch : p.batch) row("decode", {.batch = batch, .prompt = p.prompt, .output = p.output}, &verbatim::measured::decode_tokens_per_second);
}

}  // namespace

int main(int argc, char** argv) {
  plan p;
  bool wrong = false;
  for (int i = 1; i < argc; ++i) {
    std::string_view const word = argv[i];
    if (word == "--dry") p.dry = true;
    else if (word == "--rounds" && i + 1 < argc) p.rounds = std::max(1, std::atoi(argv[++i]));
    else if (word == "--batch" && i + 1 < argc) {
      p.batch.clear();
      for (char const* at = argv[++i]; *at;) {
        char* end = nullptr;
        p.batch.push_back(int(std::strtol(at, &end, 10)));
        wrong |= end == at || p.batch.back() < 1 || p.batch.back() > 4096;
        if (wrong) break;
        at = *end == ',' ? end + 1 : end;
      }
      wrong |= p.batch.empty();
    } else if (!word.starts_with("-") && p.config.empty()) p.config = word;
    else wrong = true;
  }
  if (wrong || p.config.empty()) {
    std::fprintf(stderr, "usage: bench_gpu_contract [--dry] [--rounds N] [--batch N,N,...] CONFIG.json\n");
    return 2;
  }
  try {
    if (p.dry) {
      p.rounds = 1, p.prefill = 70, p.prompt = 9, p.output = 3, p.batch = {1, 3};
      compare<verbatim::cuda::emulated>(p);
      return 0;
    }
    if (verbatim::cuda::gpu_count() == 0) {
      std::fprintf(stderr, "no CUDA device can be used here: %s. Nothing was measured (--dry runs a round under the emulator)\n", verbatim::cuda::why_no_gpu().c_str());
      return 77;
    }
    compare<verbatim::cuda::sm90>(p);
    return 0;
  } catch (verbatim::error const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
