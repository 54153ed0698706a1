// config.json (as transformers 4 and 5 write it) -> model_config, checked: what is not computed exactly as transformers
// would is refused, never ignored. Absent fields have the defaults of transformers' configuration classes, but the five
// sizes (layers, hidden, intermediate, vocabulary, heads) must be there.
// Guarantee: a model_config that comes out has positive, mutually consistent sizes whose products fit 63 bits.
// Errors: error("config", n), n: 1 no file, 2 not JSON, 3 architecture, 4 missing, 5 type, 6 range, 7 inconsistent,
// 8 not supported.
#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "verbatim/core/error.hpp"
#include "verbatim/core/separate.hpp"
#include "verbatim/model/config.hpp"
#include "verbatim/weights/generation_json.hpp"

namespace verbatim {

/// A model's numbers and the sampling defaults that it brings.
struct model_description {
  model_config config;
  generation_defaults defaults;
};

/// The text of a config.json, checked; `file` is for messages. bos and eos are those of config.json.
model_config parse_config(std::string_view text, std::string const& file = "config.json");

/// Reads config.json and, beside it, generation_config.json if there is one, whose bos and eos then count.
/// `path`: a model directory, or a config file itself (then nothing else is read).
model_description read_config(std::filesystem::path const& path);

}  // namespace verbatim

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/weights/config_json.ipp.hpp"
#endif
