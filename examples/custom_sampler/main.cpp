// A pipeline with a caller's own sampling stage and cache policy: they compile into the engine like the library's own.
//   custom_sampler MODEL_DIR PROMPT: samples, forbids the first token that came out, samples again.
#include <verbatim/verbatim.hpp>

#include <algorithm>
#include <cstdio>

#include "parts.hpp"

#ifdef ON_GPU   // compiled twice, as custom_sampler and custom_sampler_gpu (examples/CMakeLists.txt)
#include <verbatim/backend/cuda/device.hpp>
using device = verbatim::cuda::sm90;
#else
using device = verbatim::cpu::native;   // verbatim::cuda::sm90: an NVIDIA GPU
#endif

// [pipeline]
struct careful : verbatim::pipeline<device, verbatim::qwen3> {
  using cache = private_pages<32>;
  using sampler = verbatim::sample<verbatim::temperature, forbid, verbatim::min_p, verbatim::gumbel>;
};
// [pipeline]

int main(int argc, char** argv) try {
  if (argc != 3) return std::fputs("usage: custom_sampler MODEL_DIR PROMPT\n", stderr), 2;
  verbatim::engine<careful> engine{{.checkpoint = argv[1]}};

  // [use]
  verbatim::request ask;
  engine.text().encode(argv[2], ask.prompt);
  ask.max_tokens = 32;
  ask.sampling = {.temperature = 1, .min_p = 0.05f, .seed = 3};
  auto const free = verbatim::generate(engine, ask).front();

  verbatim::token const first = free.ids.front();
  ask.sampling.extra = {{"forbid", double(first)}};
  auto const held = verbatim::generate(engine, ask).front();
  // [use]

  std::printf("any token:       %s\nwithout token %d: %s\n", free.text.c_str(), first, held.text.c_str());
  bool const kept = std::ranges::find(held.ids, first) == held.ids.end();
  bool const shared = engine.stats().cached_tokens > 0;
  return kept && !shared ? 0 : 1;
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
