// What one request asks of the sampler: plain values, one set per request. The typed chain reads from here.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "verbatim/core/token.hpp"

namespace verbatim {

/// Values of one request. A stage that is not part of the pipeline's chain ignores its value.
struct sampling_params {
  float temperature = 1.0f;          ///< 0: greedy
  float top_p = 1.0f;                ///< (0, 1]; 1: off
  int top_k = 0;                     ///< 0: off
  float min_p = 0.0f;                ///< [0, 1]; 0: off
  float repetition_penalty = 1.0f;   ///< > 0; 1: off (over prompt and output)
  float presence_penalty = 0.0f;     ///< 0: off (over output)
  float frequency_penalty = 0.0f;    ///< 0: off (over output)
  std::uint64_t seed = 0;            ///< noise is keyed by (seed, position, token id)
  int min_tokens = 0;                ///< stop tokens are masked before this many output tokens
  std::vector<std::pair<token, float>> logit_bias{};
  std::vector<std::vector<token>> bad_words{};        ///< token sequences that must not appear
  std::vector<std::pair<std::string, double>> extra{};  ///< for a user's own stages (HTTP: "vllm_xargs")
};

/// What a stage may look at when it prepares one row: the request and the tokens so far.
struct row_history {
  std::span<token const> prompt;
  std::span<token const> output;
  std::span<token const> stop_tokens;   ///< masked while output.size() < min_tokens
  /// Dense counts by token id, or null where the request uses no penalty. Kept by the engine, one entry per vocabulary id.
  std::uint16_t const* output_counts = nullptr;
  std::uint8_t const* in_prompt = nullptr;   ///< 1 where the id occurs in the prompt
};

/// One sampled (or scored) token.
struct sampled {
  token id;
  float logprob;   ///< processed: of the distribution that was sampled from; finite, floored at -9999
  int rank;        ///< 1 for the most likely token of that distribution
};

}  // namespace verbatim
