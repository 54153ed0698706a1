// The special strings that tokenizer_config.json names, for chat templates and for finding their ids.
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "verbatim/text/component.hpp"
#include "verbatim/text/tokenizer_json.hpp"

namespace verbatim {

/// Absent members are not named by the file. Each may be given there as a string or as an object with "content".
struct special_strings {
  std::optional<std::string> bos, eos, pad, unk;
};

/// From the text of tokenizer_config.json. Throws error("tokenizer", 2) for wrong types, error("json", 1) for wrong JSON.
inline special_strings special_strings_of(std::string_view config) {
  json const value = parse_json(config);
  detail::component const c(value, "tokenizer_config");
  auto const read = [&c](char const* key) -> std::optional<std::string> {
    json const* const found = c.find(key);
    if (found == nullptr) return std::nullopt;
    auto const member = c.at(key);
    return found->is_object() ? member.text("content") : member.text();
  };
  return {read("bos_token"), read("eos_token"), read("pad_token"), read("unk_token")};
}

/// From a directory; nothing is named where it has no tokenizer_config.json.
inline special_strings load_special_strings(std::filesystem::path const& directory) {
  auto const path = directory / "tokenizer_config.json";
  if (!std::filesystem::exists(path)) return {};
  return special_strings_of(detail::read_text_file(path));
}

}  // namespace verbatim
