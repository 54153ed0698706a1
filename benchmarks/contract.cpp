// What exactness costs: the same 0.5 B model under the contract `batch_invariant` and under `fastest`, which lets a backend
// order its sums as it likes, alternating in one run. Medians of the ratios. Options: [rounds] (default 5) [batch] (default 16).
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "limits.hpp"
#include "shapes.hpp"
#include "verbatim/engine/engine.ipp.hpp"
#include "verbatim/front/measure.hpp"

namespace {

struct exact : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen2> {};
struct loose : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen2> {
  static constexpr verbatim::numerics contract = verbatim::fastest;
};

}  // namespace

int main(int argc, char** argv) {
  int const rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 5, most = argc > 2 ? std::max(1, std::atoi(argv[2])) : 16;
  shapes::file const config(shapes::qwen2_5_0_5b);
  verbatim::engine_config const options{.checkpoint = config.path(), .random_weights = true, .max_batch = most, .context = 1024};
  verbatim::engine<exact> a(options);
  verbatim::engine<loose> b(options);
  std::printf("%s\nagainst\n%s\n", a.contract_text().c_str(), b.contract_text().c_str());
  for (int batch : {1, most}) {
    verbatim::workload w{.batch = batch, .prompt = std::max(1, 512 / batch), .output = 32, .repetitions = 1};
    std::vector<double> decode, prefill, decoded, prefilled;
    for (int i = 0; i < rounds; ++i) {
      w.seed += 100;   // prompts that no prefix index has seen
      auto const x = verbatim::measure(a, w), y = verbatim::measure(b, w);
      decode.push_back(x.decode_tokens_per_second / y.decode_tokens_per_second), decoded.push_back(x.decode_tokens_per_second);
      prefill.push_back(x.prefill_tokens_per_second / y.prefill_tokens_per_second), prefilled.push_back(x.prefill_tokens_per_second);
    }
    std::printf("batch %2d, medians of %d: decode %7.1f tokens/s, ratio %.3f; prefill %7.1f tokens/s, ratio %.3f\n", batch, rounds,
                limits::median(decoded), limits::median(decode), limits::median(prefilled), limits::median(prefill));
  }
}
