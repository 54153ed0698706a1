// A pipeline as a consumer's project would declare it: only declarations are included.
#pragma once
#include <verbatim/engine/engine.hpp>

struct rollout : verbatim::pipeline<verbatim::cpu::native, verbatim::qwen3> {
  using cache = verbatim::paged<32>;
  using sampler = verbatim::sample<verbatim::temperature, verbatim::gumbel>;
};
