// JSON at the edges, with bounds: nlohmann's parser feeding a builder of our own, because nlohmann's ordered_json is
// quadratic in the number of keys while parsing and knows no depth limit. Key order is kept (chat templates show it);
// of duplicate keys the last value wins, at the place of the first, as in Python.
#pragma once
#include <string>
#include <string_view>

#include "verbatim/core/error.hpp"
#include "verbatim/core/separate.hpp"
#include "verbatim/text/json_value.hpp"

namespace verbatim {

/// Parses one JSON text (UTF-8, checked). Linear time. Throws error("json", 1) with the byte where it went wrong, error("json", 2)
/// beyond the limits.
json parse_json(std::string_view text, json_limits limits = {});

/// Serialises for the wire; bytes that are not UTF-8 become U+FFFD instead of an exception.
std::string dump_json(json const& value);

}  // namespace verbatim

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/text/json.ipp.hpp"
#endif
