// What JSON is here: the type of its values, and the bounds that reading one keeps (see json.hpp).
#pragma once
#include <cstddef>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

namespace verbatim {

using json = nlohmann::ordered_json;

struct json_limits {
  int depth = 64;                        ///< nesting of arrays and objects
  std::size_t values = 64'000'000;       ///< all values and keys together
  std::span<std::string_view const> drop{};   ///< keys whose arrays are read over: they are not kept, nor counted
};

}  // namespace verbatim
