// The in-process generator: a prompt goes in, text and log-probabilities come out; no server, no threads but the model's.
//   generate MODEL_DIR "What is 17 + 25?"
// [generator]
#include <verbatim/verbatim.hpp>

#include <cstdio>

#ifdef ON_GPU   // compiled twice, as generate and generate_gpu (examples/CMakeLists.txt)
#include <verbatim/backend/cuda/device.hpp>
using device = verbatim::cuda::sm90;
#else
using device = verbatim::cpu::native;   // verbatim::cuda::sm90: an NVIDIA GPU
#endif

struct chat : verbatim::pipeline<device, verbatim::qwen3> {
  using sampler = verbatim::sample<verbatim::temperature, verbatim::top_p, verbatim::gumbel>;
};

int main(int argc, char** argv) try {
  if (argc != 3) return std::fputs("usage: generate MODEL_DIR PROMPT\n", stderr), 2;
  verbatim::engine<chat> engine{{.checkpoint = argv[1]}};

  verbatim::request ask;
  engine.text().encode(argv[2], ask.prompt);
  ask.max_tokens = 64;
  ask.count = 2;                      // two continuations of the same prompt; its pages are shared
  ask.sampling = {.temperature = 0.8f, .top_p = 0.95f, .seed = 1};

  for (auto const& c : verbatim::generate(engine, ask)) {
    double sum = 0;
    for (float l : c.logprobs) sum += l;
    std::printf("#%d (%zu tokens, log-probability %.3f)\n%s\n", c.index, c.ids.size(), sum, c.text.c_str());
  }
} catch (std::exception const& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
// [generator]
