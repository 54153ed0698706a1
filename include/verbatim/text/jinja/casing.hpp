// str.upper, str.lower, str.title, str.capitalize, str.swapcase and the str.is… predicates, over UTF-8.
// ASCII text takes a byte loop; beyond ASCII the generated tables are searched by halving. Linear.
#pragma once
#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/jinja/case_tables.hpp"
#include "verbatim/text/jinja/property_tables.hpp"
#include "verbatim/text/jinja/unicode.hpp"

namespace verbatim::jinja {

namespace detail {

template <std::size_t N>
char32_t mapped(tables::mapping const (&table)[N], char32_t c) {
  auto at = std::upper_bound(std::begin(table), std::end(table), c, [](char32_t x, auto const& m) { return x < m.first; });
  while (at != std::begin(table)) {
    --at;
    if (c <= at->last && (c - at->first) % at->step == 0) return char32_t(std::int32_t(c) + at->add);
    if (at->step == 1 && c > at->last) break;     // runs of step 2 may interleave with their neighbours
    if (c > at->last + 2) break;
  }
  return 0;                                        // not in the table
}

template <std::size_t N>
tables::expansion const* expanded(tables::expansion const (&table)[N], char32_t c) {
  auto at = std::lower_bound(std::begin(table), std::end(table), c, [](auto const& e, char32_t x) { return e.from < x; });
  return at != std::end(table) && at->from == c ? at : nullptr;
}

/// Ends of the runs, so that membership is a binary search: even index = inside a run ends here.
template <std::size_t N>
std::vector<std::uint32_t> edges(tables::run const (&table)[N]) {
  std::vector<std::uint32_t> out;
  out.reserve(2 * N);
  std::uint32_t at = 0x80;
  for (auto const& r : table) {
    out.push_back(at += r.gap);
    out.push_back(at += r.length);
  }
  return out;
}
inline bool within(std::vector<std::uint32_t> const& edges, char32_t c) {
  return (std::upper_bound(edges.begin(), edges.end(), std::uint32_t(c)) - edges.begin()) % 2 == 1;
}

inline void append_expansion(std::string& out, tables::expansion const& e) {
  for (char32_t c : e.to)
    if (c) append_point(out, c);
}

}  // namespace detail

inline bool is_printable(char32_t c) {
  static auto const edges = detail::edges(tables::unprintable);
  return c < 0x80 ? c >= 0x20 && c < 0x7F : !detail::within(edges, c);
}
inline bool is_alpha(char32_t c) {
  static auto const edges = detail::edges(tables::letters);
  return c < 0x80 ? (c | 32) >= 'a' && (c | 32) <= 'z' : detail::within(edges, c);
}
inline bool is_decimal(char32_t c) {
  static auto const edges = detail::edges(tables::decimals);
  return c < 0x80 ? c >= '0' && c <= '9' : detail::within(edges, c);
}
inline bool is_digit(char32_t c) {
  static auto const edges = detail::edges(tables::digits);
  return is_decimal(c) || (c >= 0x80 && detail::within(edges, c));
}
inline bool is_numeric(char32_t c) {
  static auto const edges = detail::edges(tables::numerics);
  return is_digit(c) || (c >= 0x80 && detail::within(edges, c));
}
inline bool is_alnum(char32_t c) { return is_alpha(c) || is_numeric(c); }

inline void append_lower(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += char(c >= 'A' && c <= 'Z' ? c + 32 : c);
  } else if (auto const* e = detail::expanded(tables::lower_many, c)) {
    detail::append_expansion(out, *e);
  } else {
    char32_t m = detail::mapped(tables::lower, c);
    append_point(out, m ? m : c);
  }
}
inline void append_upper(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += char(c >= 'a' && c <= 'z' ? c - 32 : c);
  } else if (auto const* e = detail::expanded(tables::upper_many, c)) {
    detail::append_expansion(out, *e);
  } else {
    char32_t m = detail::mapped(tables::upper, c);
    append_point(out, m ? m : c);
  }
}
inline void append_title(std::string& out, char32_t c) {
  if (auto const* e = detail::expanded(tables::title_many, c)) return detail::append_expansion(out, *e);
  if (char32_t m = c < 0x80 ? 0 : detail::mapped(tables::title_only, c)) return append_point(out, m);
  append_upper(out, c);
}

inline bool is_lower(char32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z';
  return detail::mapped(tables::upper, c) != 0 || detail::expanded(tables::upper_many, c);
}
inline bool is_upper(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z';
  return detail::mapped(tables::lower, c) != 0 || detail::expanded(tables::lower_many, c);
}
inline bool is_cased(char32_t c) { return is_lower(c) || is_upper(c); }

inline bool is_case_ignorable(char32_t c) {
  return c == '\'' || c == '.' || c == ':' || c == '^' || c == '`' || c == 0xA8 || c == 0xAD || c == 0xB7 ||
         c == 0x2019 || (c >= 0x300 && c <= 0x36F) || (c >= 0x200B && c <= 0x200F);
}

/// Greek capital sigma becomes a final sigma at the end of a word.
inline bool final_sigma(std::string_view s, std::size_t at) {
  std::size_t i = at;
  while (i > 0) {
    i = before(s, i);
    if (!is_case_ignorable(point_at(s, i))) break;
    if (i == 0) return false;
  }
  if (i == at || !is_cased(point_at(s, i))) return false;
  for (i = at + 2; i < s.size() && is_case_ignorable(point_at(s, i)); i += width_at(s, i)) {}
  return i >= s.size() || !is_cased(point_at(s, i));
}

inline void append_lower_in(std::string& out, std::string_view s, std::size_t at) {
  char32_t c = point_at(s, at);
  if (c == 0x3A3)
    append_point(out, final_sigma(s, at) ? 0x3C2 : 0x3C3);
  else
    append_lower(out, c);
}

inline std::string to_lower(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (std::size_t at = 0; at < s.size(); at += width_at(s, at)) append_lower_in(out, s, at);
  return out;
}
inline std::string to_upper(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (std::size_t at = 0; at < s.size(); at += width_at(s, at)) append_upper(out, point_at(s, at));
  return out;
}
inline std::string to_capitalized(std::string_view s) {
  std::string out;
  for (std::size_t at = 0; at < s.size(); at += width_at(s, at)) {
    if (at == 0)
      append_title(out, point_at(s, 0));
    else
      append_lower_in(out, s, at);
  }
  return out;
}
/// str.title: a letter after one that is not cased becomes title case, the others lower case.
inline std::string to_title(std::string_view s) {
  std::string out;
  bool inside = false;
  for (std::size_t at = 0; at < s.size(); at += width_at(s, at)) {
    char32_t c = point_at(s, at);
    if (inside)
      append_lower_in(out, s, at);
    else
      append_title(out, c);
    inside = is_cased(c);
  }
  return out;
}
inline std::string to_swapped(std::string_view s) {
  std::string out;
  for (std::size_t at = 0; at < s.size(); at += width_at(s, at)) {
    char32_t c = point_at(s, at);
    if (is_upper(c))
      append_lower_in(out, s, at);
    else
      append_upper(out, c);
  }
  return out;
}

}  // namespace verbatim::jinja
