// How long a refit of a 0.5 B model in bf16 from borrowed memory of the host takes, beside a copy of the same bytes within it on one thread
// and on as many as the engine has, alternating in one run. Medians. From a device's own memory: bench_gpu_kernels.
//   bench_refit [--device cpu|cuda] [rounds] [threads]     [cpu, 9, all cores]
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <thread>
#include <vector>

#include "../examples/pipelines.hpp"
#include "limits.hpp"
#include "shapes.hpp"
#include "verbatim/backend/cuda/gpu.hpp"
#include "verbatim/weights/borrowed.hpp"
#include "verbatim/weights/random_weights.hpp"

namespace {

template <class Pipeline> void measure(char const* device, int rounds, int threads) {
  shapes::file const config(shapes::qwen2_5_0_5b);
  verbatim::engine<Pipeline> engine({.checkpoint = config.path(), .random_weights = true, .threads = threads, .max_batch = 4, .context = 512});
  verbatim::weights::random_weights source(engine.config(), 2);
  auto const trainer = verbatim::weights::all_of(source);
  std::vector<std::vector<std::byte>> copies;
  for (auto const& t : trainer.tensors()) copies.emplace_back(t.bytes(), std::byte(1));
  auto const copy = [&](std::size_t worker, std::size_t of) {   // each takes a part of every tensor
    for (std::size_t i = 0; i < copies.size(); ++i) {
      std::size_t const begin = copies[i].size() * worker / of, end = copies[i].size() * (worker + 1) / of;
      std::memcpy(copies[i].data() + begin, static_cast<std::byte const*>(trainer.tensors()[i].data) + begin, end - begin);
    }
  };
  std::vector<double> refit, one, all;
  for (int i = -1; i < rounds; ++i) {   // the first touches the memory
    double const r = limits::seconds_of([&] { engine.refit(verbatim::weights::borrowed(trainer.tensors())); });
    double const c = limits::seconds_of([&] { copy(0, 1); });
    double const a = limits::seconds_of([&] {
      std::vector<std::thread> others;
      for (int t = 1; t < threads; ++t) others.emplace_back([&, t] { copy(std::size_t(t), std::size_t(threads)); });
      copy(0, std::size_t(threads));
      for (auto& t : others) t.join();
    });
    if (i >= 0) refit.push_back(r), one.push_back(c), all.push_back(a);
  }
  double const bytes = double(trainer.bytes()), r = limits::median(refit), c = limits::median(one), a = limits::median(all);
  std::printf("%s, %d threads, %.2f GB in %zu tensors, medians of %d\n", device, threads, bytes / 1e9, copies.size(), rounds);
  std::printf("refit                 %7.1f ms  %5.1f GB/s\n", 1e3 * r, bytes / r / 1e9);
  std::printf("memcpy, one thread    %7.1f ms  %5.1f GB/s   refit / memcpy %.2f\n", 1e3 * c, bytes / c / 1e9, r / c);
  std::printf("memcpy, %d threads     %7.1f ms  %5.1f GB/s   refit / memcpy %.2f\n", threads, 1e3 * a, bytes / a / 1e9, r / a);
}

}  // namespace

int main(int argc, char** argv) try {
  bool const names_device = argc > 2 && std::strcmp(argv[1], "--device") == 0, cuda = names_device && std::strcmp(argv[2], "cuda") == 0;
  bool const known = !names_device || cuda || std::strcmp(argv[2], "cpu") == 0;
  if (names_device) argc -= 2, argv += 2;
  int const rounds = argc > 1 ? std::atoi(argv[1]) : 9, threads = argc > 2 ? std::atoi(argv[2]) : int(std::thread::hardware_concurrency());
  if (!known || rounds < 1 || threads < 1 || argc > 3) {
    std::fprintf(stderr, "usage: bench_refit [--device cpu|cuda] [ROUNDS] [THREADS]\n");
    return 2;
  }
  if (!cuda) return measure<examples::qwen2_bf16>(verbatim::cpu::native::name, rounds, threads), 0;
#if VERBATIM_WITH_CUDA
  if (verbatim::cuda::gpu_count() == 0) {
    std::fprintf(stderr, "no CUDA device can be used here: %s. Nothing was measured\n", verbatim::cuda::why_no_gpu().c_str());
    return 77;
  }
  return measure<examples::qwen2_bf16_gpu>(verbatim::cuda::sm90::name, rounds, threads), 0;
#else
  throw verbatim::error("device", 8, "this program was built without CUDA: install the CUDA Toolkit and build again with -DVERBATIM_CUDA=ON");
#endif
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
