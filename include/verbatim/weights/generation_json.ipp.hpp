// The bodies of generation_json.hpp (core/separate.hpp says who includes this).
#pragma once
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "verbatim/core/error.hpp"
#include "verbatim/text/json.hpp"
#include "verbatim/weights/config_fields.hpp"
#include "verbatim/weights/generation_json.hpp"

namespace verbatim {

namespace weights::detail {

inline constexpr std::size_t config_bytes = 16 << 20;    ///< of a configuration file; real ones have a few KB

/// Parses a configuration file. Throws error("config", 2) unless it is one JSON object.
inline json config_object(std::string_view text, std::string const& file) {
  if (text.size() > config_bytes) throw error("config", 2, file + ": at most 16 MiB expected, " + std::to_string(text.size()) + " bytes found");
  json top;
  try {
    top = parse_json(text, {.depth = 32, .values = 1'000'000});
  } catch (error const& e) {
    throw error("config", 2, file + ": " + std::string(e.message()));
  }
  if (!top.is_object()) throw error("config", 2, file + ": a JSON object expected, " + std::string(top.type_name()) + " found");
  return top;
}

}  // namespace weights::detail

VERBATIM_BODY generation_config parse_generation_config(std::string_view text, int vocabulary, std::string const& file) {
  json const top = weights::detail::config_object(text, file);
  weights::config_fields const f(top, file);
  auto const count = [&](char const* field, int lowest) -> std::optional<int> {
    auto const v = f.integer(field, lowest, 1 << 30);
    return v ? std::optional<int>(int(*v)) : std::nullopt;
  };
  generation_config out;
  out.defaults = {.do_sample = f.boolean("do_sample"),
                  .temperature = f.number("temperature", 0, 100),
                  .top_p = f.number("top_p", 0, 1),
                  .min_p = f.number("min_p", 0, 1),
                  .repetition_penalty = f.number("repetition_penalty", 1e-3, 1e3),
                  .top_k = count("top_k", 0),
                  .max_new_tokens = count("max_new_tokens", 0),
                  .max_length = count("max_length", 0)};
  out.bos = f.tokens("bos_token_id", vocabulary);
  out.eos = f.tokens("eos_token_id", vocabulary);
  return out;
}

}  // namespace verbatim
