// Arguments of a call and their binding to a function's parameters, with Python's complaints.
#pragma once
#include <array>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/text/jinja/value.hpp"

namespace verbatim::jinja {

struct arguments {
  values positional;
  std::vector<std::pair<std::string, value>> named;
  value const* find(std::string_view name) const {
    for (auto const& [k, v] : named)
      if (k == name) return &v;
    return nullptr;
  }
};

/// What was given for each parameter, null where nothing was.
using binding = std::array<value const*, 8>;

/// Binds to parameters in order; the first `required` must be given. Names that begin with '/' take no keyword.
inline binding bind(std::string_view function, arguments const& given, std::initializer_list<std::string_view> names,
                    std::size_t required = 0) {
  binding out{};
  std::string who(function);
  if (given.positional.size() > names.size())
    type_error(who + "() takes at most " + std::to_string(names.size()) + " arguments (" + std::to_string(given.positional.size()) + " given)");
  for (std::size_t i = 0; i < given.positional.size(); ++i) out[i] = &given.positional[i];
  for (auto const& [name, v] : given.named) {
    std::size_t i = 0;
    for (auto const& parameter : names) {
      if (parameter == name) break;
      ++i;
    }
    if (i == names.size()) type_error(who + "() got an unexpected keyword argument '" + name + "'");
    if (out[i]) type_error(who + "() got multiple values for argument '" + name + "'");
    out[i] = &v;
  }
  for (std::size_t i = 0; i < required; ++i)
    if (!out[i]) type_error(who + "() missing a required argument");
  return out;
}

inline std::int64_t to_index(value const& v) {
  if (v.is_integral()) return v.integer();
  type_error("'" + type_name(v) + "' object cannot be interpreted as an integer");
}
inline std::int64_t integer_or(value const* v, std::int64_t otherwise) { return v ? to_index(*v) : otherwise; }
inline bool flag_or(value const* v, bool otherwise) { return v ? truthy(*v) : otherwise; }
inline std::string const& to_text(value const& v, std::string_view what = "argument") {
  if (v.is_string()) return v.text();
  type_error(std::string(what) + " must be str, not " + type_name(v));
}

}  // namespace verbatim::jinja
