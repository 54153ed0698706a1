// What exactness costs: the same 0.5 B model under the contract `batch_invariant` and under `fastest`, which lets a backend
// order its sums as it likes, alternating in one run. Where an engine's memory lies and which comes first both matter by some
// percent: the engines are built in either order, a round measures first, second, second, first. Medians over the rounds.
// Options: [rounds] (default 6) [batch] (default 16).
#include <cstdio>
#include <cstdlib>
#include <memory>
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

struct ratios {
  std::vector<double> decode{}, prefill{}, decoded{}, prefilled{};
};

/// Of one engine over the other, A being the first that was built.
template <class A, class B> void compare(verbatim::engine_config const& options, int rounds, int batch, ratios& of, bool inverse) {
  auto const a = std::make_unique<verbatim::engine<A>>(options);
  auto const b = std::make_unique<verbatim::engine<B>>(options);
  verbatim::workload w{.batch = batch, .prompt = std::max(1, 512 / batch), .output = 32, .repetitions = 1};
  verbatim::measure(*a, w), verbatim::measure(*b, w);
  for (int i = 0; i < rounds; ++i) {
    w.seed += 100;   // prompts that no prefix index has seen
    auto const x = verbatim::measure(*a, w), y = verbatim::measure(*b, w);
    w.seed += 100;
    auto const z = verbatim::measure(*b, w), v = verbatim::measure(*a, w);
    auto const put = [&](std::vector<double>& ratio, std::vector<double>& speed, double first, double second) {
      ratio.push_back(inverse ? second / first : first / second), speed.push_back((inverse ? second : first) / 2);
    };
    put(of.decode, of.decoded, x.decode_tokens_per_second + v.decode_tokens_per_second, y.decode_tokens_per_second + z.decode_tokens_per_second);
    put(of.prefill, of.prefilled, x.prefill_tokens_per_second + v.prefill_tokens_per_second, y.prefill_tokens_per_second + z.prefill_tokens_per_second);
  }
}

}  // namespace

int main(int argc, char** argv) {
  int const rounds = argc > 1 ? std::max(2, std::atoi(argv[1])) : 6, most = argc > 2 ? std::max(1, std::atoi(argv[2])) : 16;
  shapes::file const config(shapes::qwen2_5_0_5b);
  verbatim::engine_config const options{.checkpoint = config.path(), .random_weights = true, .max_batch = most, .chunk_tokens = 512, .context = 1024};
  std::printf("%s\nagainst\n%s\n", verbatim::to_string(verbatim::terms_of<exact>()).c_str(), verbatim::to_string(verbatim::terms_of<loose>()).c_str());
  for (int batch : {1, most}) {
    ratios r;
    compare<exact, loose>(options, (rounds + 1) / 2, batch, r, false);
    compare<loose, exact>(options, rounds / 2, batch, r, true);
    std::printf("batch %2d, medians of %d: decode %7.1f tokens/s, ratio %.3f; prefill %7.1f tokens/s, ratio %.3f\n", batch, rounds,
                limits::median(r.decoded), limits::median(r.decode), limits::median(r.prefilled), limits::median(r.prefill));
    std::fflush(stdout);
  }
}
