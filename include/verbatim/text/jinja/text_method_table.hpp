// Which function is which method of str.
#pragma once
#include <string_view>
#include <unordered_map>

#include "verbatim/text/jinja/format.hpp"
#include "verbatim/text/jinja/text_methods.hpp"

namespace verbatim::jinja {

namespace detail {

inline value isascii(meter& m, string_object const& s, arguments& a) { return s.s.empty() ? value(true) : all_of<ascii_point>(m, s, a); }
inline value isprintable(meter& m, string_object const& s, arguments& a) { return s.s.empty() ? value(true) : all_of<is_printable>(m, s, a); }
inline bool name_point(char32_t c) { return c == '_' || is_alnum(c); }
inline value isidentifier(meter& m, string_object const& s, arguments& a) {
  if (s.s.empty() || is_numeric(point_at(s.s, 0))) return false;
  return all_of<name_point>(m, s, a);
}

}  // namespace detail

inline text_method find_text_method(std::string_view name) {
  using namespace detail;
  static std::unordered_map<std::string_view, text_method> const table = {
      {"upper", changed<to_upper>}, {"lower", changed<to_lower>}, {"casefold", changed<to_lower>}, {"title", changed<to_title>},
      {"capitalize", changed<to_capitalized>}, {"swapcase", changed<to_swapped>},
      {"strip", stripped<3>}, {"lstrip", stripped<1>}, {"rstrip", stripped<2>},
      {"split", splitted<false>}, {"rsplit", splitted<true>}, {"splitlines", lines},
      {"startswith", affixed<false>}, {"endswith", affixed<true>},
      {"find", found<false, false>}, {"rfind", found<true, false>}, {"index", found<false, true>}, {"rindex", found<true, true>},
      {"count", counted}, {"replace", replaced}, {"join", joined},
      {"partition", partitioned<false>}, {"rpartition", partitioned<true>},
      {"ljust", justified<'<'>}, {"rjust", justified<'>'>}, {"center", justified<'^'>}, {"zfill", zero_filled},
      {"removeprefix", without_affix<false>}, {"removesuffix", without_affix<true>}, {"expandtabs", tabs_expanded},
      {"isspace", all_of<is_space>}, {"isalpha", all_of<is_alpha>}, {"isdigit", all_of<is_digit>},
      {"isdecimal", all_of<is_decimal>}, {"isnumeric", all_of<is_numeric>}, {"isalnum", all_of<is_alnum>},
      {"isascii", isascii}, {"isprintable", isprintable}, {"isidentifier", isidentifier},
      {"islower", cased<is_lower, is_upper>}, {"isupper", cased<is_upper, is_lower>}, {"istitle", titled}};
  auto at = table.find(name);
  return at == table.end() ? nullptr : at->second;
}

}  // namespace verbatim::jinja
