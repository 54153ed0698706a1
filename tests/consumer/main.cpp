// Runs a few tokens of a small model twice: once alone, once among others. They must be the same tokens and bits.
#include <verbatim/front/generate.hpp>

#include <cstdio>

#include "rollout.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  verbatim::engine<rollout> engine{{.checkpoint = argv[1], .threads = 1}};
  verbatim::request ask;
  ask.prompt = {1, 2, 3, 4, 5};
  ask.max_tokens = 8;
  ask.ignore_eos = true;
  ask.sampling.seed = 7;
  auto const alone = verbatim::generate(engine, ask);
  verbatim::request other = ask;
  other.prompt = {9, 8, 7};
  verbatim::request const both[] = {other, ask};
  auto const among = verbatim::generate(engine, both);
  for (auto id : alone.at(0).ids) std::printf("%d ", id);
  std::printf("\n");
  bool const same = alone[0].ids.size() == 8 && alone[0].ids == among.at(1).ids && alone[0].logprobs == among[1].logprobs;
  return same ? 0 : 1;
}
