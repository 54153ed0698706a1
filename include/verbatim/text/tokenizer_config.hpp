// The special strings that tokenizer_config.json names, for chat templates and for finding their ids.
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "verbatim/core/error.hpp"
#include "verbatim/core/separate.hpp"

namespace verbatim {

/// Absent members are not named by the file. Each may be given there as a string or as an object with "content".
struct special_strings {
  std::optional<std::string> bos, eos, pad, unk;
};

/// From the text of tokenizer_config.json. Throws error("tokenizer", 2) for wrong types, error("json", 1) for wrong JSON.
special_strings special_strings_of(std::string_view config);

/// From a directory; nothing is named where it has no tokenizer_config.json.
special_strings load_special_strings(std::filesystem::path const& directory);

}  // namespace verbatim

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/text/tokenizer_config.ipp.hpp"
#endif
