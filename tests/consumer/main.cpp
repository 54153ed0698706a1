// Samples eight tokens of a model alone, then beside another request: they are the same tokens, with the same bits of log-probability.
#include <cstdio>
#include <exception>
#include <verbatim/front/generate.hpp>

#include "rollout.hpp"

int main(int argc, char** argv) try {
  if (argc != 2) return std::fputs("Usage: app MODEL_DIR\n", stderr), 2;
  verbatim::engine<rollout> engine{{.checkpoint = argv[1]}};
  verbatim::request const ask{.prompt = {1, 2, 3, 4, 5}, .max_tokens = 8, .sampling = {.temperature = 1, .seed = 7}, .ignore_eos = true};
  verbatim::request other = ask;
  other.prompt = {9, 8, 7};
  verbatim::request const both[] = {other, ask};
  auto const alone = verbatim::generate(engine, ask).front(), beside = verbatim::generate(engine, both)[1];
  for (std::size_t i = 0; i < alone.ids.size(); ++i) std::printf("%d %.9g\n", int(alone.ids[i]), double(alone.logprobs[i]));
  return alone.ids.size() == 8 && alone.ids == beside.ids && alone.logprobs == beside.logprobs ? 0 : 1;
} catch (std::exception const& e) {
  return std::fprintf(stderr, "%s\n", e.what()), 1;
}
