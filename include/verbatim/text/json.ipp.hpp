// The bodies of json.hpp (core/separate.hpp says who includes this).
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include "verbatim/text/json.hpp"
#include "verbatim/text/json_builder.hpp"

namespace verbatim {

VERBATIM_BODY json parse_json(std::string_view text, json_limits limits) {
  detail::json_builder builder(limits);
  if (!json::sax_parse(text.begin(), text.end(), &builder)) {
    if (builder.over) throw error("json", 2, "not valid JSON here: " + builder.failure);
    throw error("json", 1, "not valid JSON: " + builder.failure);
  }
  return std::move(builder.result);
}

VERBATIM_BODY std::string dump_json(json const& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

}  // namespace verbatim
