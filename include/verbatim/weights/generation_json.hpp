// generation_config.json -> the sampling defaults of a model: all optional, all checked.
// Fields that no default depends on are ignored. Errors: error("config", 2 | 5 | 6).
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/core/separate.hpp"
#include "verbatim/core/token.hpp"

namespace verbatim {

/// What generation_config.json suggests; a request's own values go before these.
struct generation_defaults {
  std::optional<bool> do_sample{};                       ///< false: greedy
  std::optional<float> temperature{}, top_p{}, min_p{}, repetition_penalty{};
  std::optional<int> top_k{};                            ///< 0: off
  std::optional<int> max_new_tokens{}, max_length{};     ///< tokens; max_length counts the prompt
};

struct generation_config {
  generation_defaults defaults;
  std::vector<token> bos, eos;
};

/// The text of a generation_config.json; `file` is for messages.
generation_config parse_generation_config(std::string_view text, int vocabulary, std::string const& file = "generation_config.json");

}  // namespace verbatim

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/weights/generation_json.ipp.hpp"
#endif
