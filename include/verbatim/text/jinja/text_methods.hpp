// The methods of str, by name. All of Python's except encode, translate, maketrans and format (see members.hpp).
#pragma once
#include <string>
#include <string_view>
#include <unordered_map>

#include "verbatim/text/jinja/casing.hpp"
#include "verbatim/text/jinja/format.hpp"
#include "verbatim/text/jinja/text_search.hpp"

namespace verbatim::jinja {

using text_method = value (*)(meter&, string_object const&, arguments&);

namespace detail {

inline void no_keywords(arguments const& a) {
  if (!a.named.empty()) type_error("a method of str takes no keyword arguments");
}

template <std::string (*Change)(std::string_view)>
value changed(meter& m, string_object const& s, arguments& a) {
  bind("str method", a, {});
  m.text(s.s.size());
  return value(Change(s.s), s.safe);
}

template <int Sides>
value stripped(meter& m, string_object const& s, arguments& a) {
  no_keywords(a);
  auto b = bind("strip", a, {"chars"});
  m.text(s.s.size());
  if (!b[0] || b[0]->is_none()) {
    std::string_view v = s.s;
    if (Sides & 1) v = strip_left(v);
    if (Sides & 2) v = strip_right(v);
    return value(std::string(v), s.safe);
  }
  if (!b[0]->is_string()) type_error("strip arg must be None or str");
  return value(std::string(strip_set(m, s.s, b[0]->text(), Sides)), s.safe);
}

template <bool Right>
value splitted(meter& m, string_object const& s, arguments& a) {
  auto b = bind("split", a, {"sep", "maxsplit"});
  std::int64_t limit = integer_or(b[1], -1);
  if (!b[0] || b[0]->is_none()) return make_strings((Right ? split_space_right : split_space)(m, s.s, limit), s.safe);
  auto const& by = to_text(*b[0], "separator");
  if (by.empty()) value_error("empty separator");
  return make_strings((Right ? split_at_right : split_at)(m, s.s, by, limit), s.safe);
}

template <bool AtEnd>
value affixed(meter& m, string_object const& s, arguments& a) {
  no_keywords(a);
  auto b = bind("startswith", a, {"prefix", "start", "end"}, 1);
  auto w = window_of(s, b[1], b[2]);
  auto one = [&](value const& v) {
    if (!v.is_string()) type_error("startswith first arg must be str or a tuple of str, not " + type_name(v));
    std::string_view x = v.text();
    m.step();
    return w.valid && w.piece.size() >= x.size() && w.piece.substr(AtEnd ? w.piece.size() - x.size() : 0, x.size()) == x;
  };
  if (!b[0]->is_sequence(flavor::tuple)) return one(*b[0]);
  for (auto const& v : b[0]->sequence().items)
    if (one(v)) return true;
  return false;
}

template <bool Right, bool Raise>
value found(meter& m, string_object const& s, arguments& a) {
  no_keywords(a);
  auto b = bind("find", a, {"sub", "start", "end"}, 1);
  auto const& needle = to_text(*b[0]);
  auto w = window_of(s, b[1], b[2]);
  std::size_t at = std::string_view::npos;
  if (w.valid && !Right) at = search(m, w.piece, needle, 0);
  if (w.valid && Right) {
    m.step(1 + w.piece.size() / 16 * (1 + needle.size() / 64));
    at = w.piece.rfind(needle);
  }
  if (at != std::string_view::npos) return w.first + std::int64_t(s.ascii ? at : count_points(w.piece.substr(0, at)));
  if (Raise) value_error("substring not found");
  return -1;
}

inline value counted(meter& m, string_object const& s, arguments& a) {
  no_keywords(a);
  auto b = bind("count", a, {"sub", "start", "end"}, 1);
  auto const& needle = to_text(*b[0]);
  auto w = window_of(s, b[1], b[2]);
  if (!w.valid) return 0;
  if (needle.empty()) return count_points(w.piece) + 1;
  std::int64_t n = 0;
  for (std::size_t at = 0; (at = search(m, w.piece, needle, at)) != w.piece.npos; at += needle.size()) ++n, m.step();
  return n;
}

inline value replaced(meter& m, string_object const& s, arguments& a) {
  no_keywords(a);
  auto b = bind("replace", a, {"old", "new", "count"}, 2);
  auto plain = [&](value const& v) { return s.safe && !(v.is_string() && v.string().safe) ? escape_html(to_text(v)) : to_text(v); };
  return value(replace_all(m, s.s, to_text(*b[0]), plain(*b[1]), integer_or(b[2], -1)), s.safe);
}

inline value joined(meter& m, string_object const& s, arguments& a) {
  no_keywords(a);
  auto b = bind("join", a, {"iterable"}, 1);
  std::string out;
  bool first = true;
  cursor c(m, *b[0]);
  for (value item; c.next(item); first = false) {
    if (!item.is_string()) type_error("sequence item: expected str instance, " + type_name(item) + " found");
    if (!first) out += s.s;
    out += s.safe && !item.string().safe ? escape_html(item.text()) : item.text();
    m.text(out.size() > m.text_limit() ? out.size() : item.text().size() + s.s.size());
  }
  return value(std::move(out), s.safe);
}

inline value lines(meter& m, string_object const& s, arguments& a) {
  auto b = bind("splitlines", a, {"keepends"});
  return make_strings(split_lines(m, s.s, flag_or(b[0], false)), s.safe);
}

template <bool Right>
value partitioned(meter& m, string_object const& s, arguments& a) {
  no_keywords(a);
  auto b = bind("partition", a, {"sep"}, 1);
  auto const& by = to_text(*b[0]);
  if (by.empty()) value_error("empty separator");
  auto parts = (Right ? split_at_right : split_at)(m, s.s, by, 1);
  auto piece = [&](std::string_view v) { return value(std::string(v), s.safe); };
  if (parts.size() == 2) return make_tuple({piece(parts[0]), piece(by), piece(parts[1])});
  if (Right) return make_tuple({piece({}), piece({}), piece(s.s)});
  return make_tuple({piece(s.s), piece({}), piece({})});
}

template <char Align>
value justified(meter& m, string_object const& s, arguments& a) {
  no_keywords(a);
  auto b = bind("ljust", a, {"width", "fillchar"}, 1);
  std::int64_t width = to_index(*b[0]), n = width - std::int64_t(s.length);
  std::string fill = b[1] ? to_text(*b[1]) : " ";
  if (count_points(fill) != 1) type_error("The fill character must be exactly one character long");
  if (n <= 0) return value(std::string(s.s), s.safe);
  if (std::size_t(n) > m.text_limit()) exhausted("a string grows too long");
  m.text(s.s.size() + std::size_t(n) * fill.size());
  std::int64_t left = Align == '<' ? 0 : Align == '>' ? n : n / 2 + (n & width & 1);
  std::string out;
  for (std::int64_t i = 0; i < left; ++i) out += fill;
  out += s.s;
  for (std::int64_t i = left; i < n; ++i) out += fill;
  return value(std::move(out), s.safe);
}

inline value zero_filled(meter& m, string_object const& s, arguments& a) {
  auto b = bind("zfill", a, {"width"}, 1);
  std::int64_t n = to_index(*b[0]) - std::int64_t(s.length);
  if (n <= 0) return value(std::string(s.s), s.safe);
  if (std::size_t(n) > m.text_limit()) exhausted("a string grows too long");
  m.text(s.s.size() + std::size_t(n));
  std::size_t sign = !s.s.empty() && (s.s[0] == '-' || s.s[0] == '+');
  return value(std::string(s.s).insert(sign, std::size_t(n), '0'), s.safe);
}

template <bool AtEnd>
value without_affix(meter& m, string_object const& s, arguments& a) {
  no_keywords(a);
  std::string_view x = to_text(*bind("removeprefix", a, {"affix"}, 1)[0]), v = s.s;
  m.text(v.size());
  if (!x.empty() && v.size() >= x.size() && v.substr(AtEnd ? v.size() - x.size() : 0, x.size()) == x)
    v = AtEnd ? v.substr(0, v.size() - x.size()) : v.substr(x.size());
  return value(std::string(v), s.safe);
}

inline value tabs_expanded(meter& m, string_object const& s, arguments& a) {
  std::int64_t size = std::min<std::int64_t>(integer_or(bind("expandtabs", a, {"tabsize"})[0], 8), 1000), column = 0;
  std::string out;
  for (std::size_t at = 0; at < s.s.size(); at += width_at(s.s, at)) {
    char c = s.s[at];
    std::int64_t n = c == '\t' ? (size > 0 ? size - column % size : 0) : 1;
    if (c == '\t') out.append(std::size_t(n), ' ');
    else out += s.s.substr(at, width_at(s.s, at));
    column = c == '\n' || c == '\r' ? 0 : column + n;
    m.text(out.size() > m.text_limit() ? out.size() : std::size_t(n));
  }
  return value(std::move(out), s.safe);
}

template <bool (*Is)(char32_t)>
value all_of(meter& m, string_object const& s, arguments& a) {
  bind("str method", a, {});
  m.step(s.s.size() / 16);
  for (std::size_t at = 0; at < s.s.size(); at += width_at(s.s, at))
    if (!Is(point_at(s.s, at))) return false;
  return !s.s.empty();
}
inline bool ascii_point(char32_t c) { return c < 0x80; }

/// islower and isupper: something is, and nothing is the other.
template <bool (*Is)(char32_t), bool (*Not)(char32_t)>
value cased(meter& m, string_object const& s, arguments& a) {
  bind("str method", a, {});
  m.step(s.s.size() / 16);
  bool some = false;
  for (std::size_t at = 0; at < s.s.size(); at += width_at(s.s, at)) {
    char32_t c = point_at(s.s, at);
    if (Not(c)) return false;
    some = some || Is(c);
  }
  return some;
}

inline value titled(meter& m, string_object const& s, arguments& a) {
  bind("istitle", a, {});
  m.step(s.s.size() / 16);
  bool some = false, inside = false;
  for (std::size_t at = 0; at < s.s.size(); at += width_at(s.s, at)) {
    char32_t c = point_at(s.s, at);
    if (is_upper(c) ? inside : is_lower(c) && !inside) return false;
    inside = is_cased(c);
    some = some || inside;
  }
  return some;
}

}  // namespace detail
}  // namespace verbatim::jinja
