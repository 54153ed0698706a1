// The bodies of tokenizer_config.hpp (core/separate.hpp says who includes this).
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "verbatim/text/component.hpp"
#include "verbatim/text/tokenizer_config.hpp"
#include "verbatim/text/tokenizer_json.hpp"

namespace verbatim {

VERBATIM_BODY special_strings special_strings_of(std::string_view config) {
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

VERBATIM_BODY special_strings load_special_strings(std::filesystem::path const& directory) {
  auto const path = directory / "tokenizer_config.json";
  if (!std::filesystem::exists(path)) return {};
  return special_strings_of(detail::read_text_file(path));
}

}  // namespace verbatim
