// The bodies of generation_json.hpp (core/separate.hpp says who includes this).
#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "verbatim/text/json.hpp"
#include "verbatim/weights/config_fields.hpp"
#include "verbatim/weights/generation_json.hpp"

namespace verbatim {

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
