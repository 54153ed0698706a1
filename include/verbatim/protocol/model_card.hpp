// What the protocol knows of the model behind it: plain values, given by the front.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "verbatim/core/token.hpp"

namespace verbatim {

/// Sampling defaults of the model (its generation_config.json); a request's own fields win, OpenAI's defaults fill the rest.
struct sampling_defaults {
  std::optional<float> temperature{}, top_p{}, min_p{}, repetition_penalty{};
  std::optional<int> top_k{};
};

struct model_card {
  std::string name = "model";
  int context = 0;                  ///< tokens of a sequence, prompt and output together
  int vocabulary = 0;               ///< token ids are below this
  std::uint64_t contract = 0;       ///< digest of the numerical contract, also the system_fingerprint
  std::string contract_text{};      ///< the contract in words
  std::int64_t created = 0;         ///< seconds since 1970
  std::string version = "0.1.0";    ///< of the server
  sampling_defaults defaults{};
  std::vector<token> turn_ends{};   ///< the ids that end a turn of a conversation
  int max_logprobs = 20;            ///< alternatives per token
};

/// Bounds on what one request may ask.
struct request_bounds {
  int max_n = 128;                  ///< continuations per prompt
  int max_prompts = 1024;           ///< prompts of one completion request
  int max_sequences = 2048;         ///< prompts x n
  int max_stops = 16;
  std::size_t max_stop_bytes = 256;
  int max_bias = 1024, max_bad_words = 256, max_stop_ids = 256;
  int max_messages = 10'000, max_tools = 128;
  std::size_t max_values = 8'000'000;   ///< JSON values of a body
};

/// `fp_` and the contract's digest: the same for every answer of a build and a model's numerics.
inline std::string fingerprint(std::uint64_t contract) {
  constexpr char hex[] = "0123456789abcdef";
  std::string out = "fp_";
  for (int shift = 60; shift >= 0; shift -= 4) out += hex[(contract >> shift) & 15];
  return out;
}

}  // namespace verbatim
