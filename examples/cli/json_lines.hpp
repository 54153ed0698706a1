// Standard input as JSON lines, for the subcommands that end at the first line that is not what they read.
#pragma once
#include <cstddef>
#include <iostream>
#include <string>

#include "verbatim/core/error.hpp"
#include "verbatim/text/json.hpp"

namespace cli {

[[noreturn]] inline void refuse_line(std::size_t number, std::string const& why) {
  throw verbatim::error("usage", 3, "line " + std::to_string(number) + ": " + why);
}

/// Calls f(json& value, std::size_t number) for each line that is not empty; lines count from one. Throws error("usage", 3) at one that is
/// not JSON.
template <class F> void each_json_line(F&& f) {
  std::size_t number = 0;
  for (std::string line; std::getline(std::cin, line);) {
    ++number;
    if (line.empty()) continue;
    verbatim::json value;
    try {
      value = verbatim::parse_json(line);
    } catch (verbatim::error const& e) {
      refuse_line(number, std::string(e.message()));
    }
    f(value, number);
  }
}

}  // namespace cli
