// Filters over text and numbers.
#pragma once
#include <cmath>
#include <string>
#include <string_view>

#include "verbatim/text/jinja/json_text.hpp"
#include "verbatim/text/jinja/members.hpp"
#include "verbatim/text/jinja/numbers.hpp"

namespace verbatim::jinja::filters {

/// soft_str: strings stay what they are (also marked safe), everything else becomes its str().
inline value soft(runtime& r, value const& v) { return v.is_string() ? v : value(to_str(r.budget, v)); }

inline value upper(runtime& r, value const& v, arguments& a) { return detail::changed<to_upper>(r.budget, soft(r, v).string(), a); }
inline value lower(runtime& r, value const& v, arguments& a) { return detail::changed<to_lower>(r.budget, soft(r, v).string(), a); }
inline value capitalize(runtime& r, value const& v, arguments& a) { return detail::changed<to_capitalized>(r.budget, soft(r, v).string(), a); }

inline value trim(runtime& r, value const& v, arguments& a) {
  auto b = bind("trim", a, {"chars"});
  arguments chars;
  if (b[0]) chars.positional.push_back(*b[0]);
  return detail::stripped<3>(r.budget, soft(r, v).string(), chars);
}

/// jinja2's own title: words begin behind white space and - ( { [ <.
inline value title(runtime& r, value const& v, arguments& a) {
  bind("title", a, {});
  value s = soft(r, v);
  std::string_view t = s.text();
  r.budget.text(t.size());
  std::string out;
  bool inside = false;
  for (std::size_t at = 0; at < t.size(); at += width_at(t, at)) {
    char32_t c = point_at(t, at);
    bool separator = is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    if (inside) append_lower(out, c);
    else append_upper(out, c);
    inside = !separator;
  }
  return value(std::move(out));
}

inline value center(runtime& r, value const& v, arguments& a) {
  auto b = bind("center", a, {"width"});
  arguments width;
  width.positional.push_back(b[0] ? *b[0] : value(80));
  return detail::justified<'^'>(r.budget, soft(r, v).string(), width);
}

inline value replace(runtime& r, value const& v, arguments& a) {
  auto b = bind("replace", a, {"old", "new", "count"}, 2);
  std::int64_t count = b[2] && !b[2]->is_none() ? to_index(*b[2]) : -1;
  return value(detail::replace_all(r.budget, to_str(r.budget, v), to_str(r.budget, *b[0]), to_str(r.budget, *b[1]), count));
}

inline value format(runtime& r, value const& v, arguments& a) {
  if (!a.positional.empty() && !a.named.empty()) fail("FilterArgumentError", "can't handle positional and keyword arguments at the same time");
  if (a.named.empty()) return printf_format(r.budget, soft(r, v), make_tuple(std::move(a.positional)));
  pairs named;
  for (auto& [k, x] : a.named) named.emplace_back(value(k), x);
  return printf_format(r.budget, soft(r, v), make_dict(std::move(named)));
}

inline value indent(runtime& r, value const& v, arguments& a) {
  auto b = bind("indent", a, {"width", "first", "blank"});
  if (v.undefined()) undefined_error(v);
  if (!v.is_string()) type_error("indent takes a string, not " + type_name(v));
  std::string by;
  if (b[0] && b[0]->is_string()) {
    by = b[0]->text();
  } else {
    std::int64_t n = integer_or(b[0], 4);
    if (n > 10'000) exhausted("an indentation grows too long");
    by.assign(std::size_t(std::max<std::int64_t>(n, 0)), ' ');
  }
  bool first = flag_or(b[1], false), blank = flag_or(b[2], false);
  std::string text = v.text() + "\n", out = first ? by : "";
  bool begun = false;
  for (auto line : detail::split_lines(r.budget, text, false)) {
    if (begun) out += "\n";
    if (begun && (blank || !line.empty())) out += by;
    out += line;
    begun = true;
    r.budget.text(out.size() > r.budget.text_limit() ? out.size() : by.size() + line.size());
  }
  return value(std::move(out), v.string().safe);
}

inline value truncate(runtime& r, value const& v, arguments& a) {
  auto b = bind("truncate", a, {"length", "killwords", "end", "leeway"});
  std::int64_t length = integer_or(b[0], 255), leeway = b[3] && !b[3]->is_none() ? to_index(*b[3]) : 5;
  std::string end = b[2] ? to_text(*b[2]) : "...";
  std::int64_t tail = std::int64_t(count_points(end));
  if (!v.is_string()) type_error("truncate takes a string, not " + type_name(v));
  if (length < tail || leeway < 0) fail("AssertionError", "truncate: the length must hold the end, the leeway be positive");
  if (std::int64_t(v.string().length) <= length + leeway) return v;
  r.budget.text(v.text().size());
  std::string head = v.text().substr(0, offset_of(v.text(), std::size_t(length - tail)));
  if (!flag_or(b[1], false)) head.resize(std::min(head.rfind(' '), head.size()));
  return value(head + end);
}

inline value wordcount(runtime& r, value const& v, arguments& a) {
  bind("wordcount", a, {});
  value s = soft(r, v);
  std::int64_t n = 0;
  bool inside = false;
  for (std::size_t at = 0; at < s.text().size(); at += width_at(s.text(), at)) {
    bool word = detail::name_point(point_at(s.text(), at));
    n += word && !inside;
    inside = word;
  }
  return n;
}

inline value string(runtime& r, value const& v, arguments& a) { return bind("string", a, {}), soft(r, v); }
inline value safe(runtime& r, value const& v, arguments& a) { return bind("safe", a, {}), value(to_str(r.budget, v), true); }
inline value escape(runtime& r, value const& v, arguments& a) {
  bind("escape", a, {});
  if (v.is_string() && v.string().safe) return v;
  std::string s = to_str(r.budget, v);
  r.budget.text(s.size() * 5);
  return value(escape_html(s), true);
}
inline value forceescape(runtime& r, value const& v, arguments& a) {
  return escape(r, value(to_str(r.budget, v)), a);
}

inline value to_int(runtime& r, value const& v, arguments& a) {
  auto b = bind("int", a, {"default", "base"});
  r.budget.step();
  value otherwise = b[0] ? *b[0] : value(0);
  if (v.undefined()) undefined_error(v);
  if (v.is_integral()) return v.integer();
  if (!v.is_string() && !v.is(kind::real)) return otherwise;
  if (v.is_string()) {
    if (auto i = read_integer(v.text(), int(integer_or(b[1], 10)))) return *i;
  }
  auto d = v.is_string() ? read_real(v.text()) : v.real();
  if (v.is(kind::real) && std::isinf(v.real())) fail("OverflowError", "cannot convert float infinity to integer");
  if (!d || !std::isfinite(*d)) return otherwise;
  if (!(std::fabs(*d) < 9.2e18)) overflow();
  return std::int64_t(*d);
}
inline value to_float(runtime&, value const& v, arguments& a) {
  auto b = bind("float", a, {"default"});
  if (v.undefined()) undefined_error(v);
  if (v.is_number()) return v.real();
  auto d = v.is_string() ? read_real(v.text()) : std::nullopt;
  return d ? value(*d) : b[0] ? *b[0] : value(0.0);
}
inline value absolute(runtime&, value const& v, arguments& a) {
  bind("abs", a, {});
  if (v.is(kind::real)) return std::fabs(v.real());
  if (!v.is_integral()) type_error("bad operand type for abs(): '" + type_name(v) + "'");
  return v.integer() < 0 ? negate(v) : value(v.integer());
}

inline value round(runtime&, value const& v, arguments& a) {
  auto b = bind("round", a, {"precision", "method"});
  std::int64_t precision = integer_or(b[0], 0);
  std::string method = b[1] ? to_text(*b[1]) : "common";
  if (method != "common" && method != "ceil" && method != "floor") fail("FilterArgumentError", "method must be common, ceil or floor");
  if (v.undefined()) undefined_error(v);
  if (!v.is_number()) type_error("type " + type_name(v) + " doesn't define __round__ method");
  if (method == "common") return v.is_integral() ? value(round_integer(v.integer(), precision)) : value(round_real(v.real(), precision));
  double unit = std::pow(10.0, double(precision)), scaled = v.real() * unit;
  if (!std::isfinite(scaled)) fail("OverflowError", "cannot convert float infinity to integer");
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit;
}

inline value tojson(runtime& r, value const& v, arguments& a) {
  auto b = bind("tojson", a, {"ensure_ascii", "indent", "separators", "sort_keys"});
  json_style style;
  style.ascii = flag_or(b[0], false);
  style.sorted = flag_or(b[3], false);
  if (b[1] && !b[1]->is_none()) {
    std::int64_t n = b[1]->is_string() ? 0 : to_index(*b[1]);
    if (n > 1000) exhausted("an indentation grows too long");
    style.indent = b[1]->is_string() ? b[1]->text() : std::string(std::size_t(std::max<std::int64_t>(n, 0)), ' ');
    style.comma = ",";
  }
  if (b[2] && !b[2]->is_none()) {
    values parts = collect(r.budget, *b[2]);
    if (parts.size() != 2) value_error("separators are two strings");
    style.comma = to_text(parts[0]);
    style.colon = to_text(parts[1]);
  }
  return value(json_writer(r.budget, style).write(v));
}

inline value filesizeformat(runtime&, value const& v, arguments& a) {
  auto b = bind("filesizeformat", a, {"binary"});
  bool binary = flag_or(b[0], false);
  auto read = v.is_number() ? std::optional(v.real()) : v.is_string() ? read_real(v.text()) : std::nullopt;
  if (!read) value_error("could not convert to float");
  double bytes = *read, base = binary ? 1024 : 1000, unit = base;
  if (bytes == 1) return "1 Byte";
  if (bytes < base) return std::to_string(std::int64_t(bytes)) + " Bytes";
  char const* names = "kMGTPEZY";
  int i = 0;
  for (unit = base * base; i < 7 && bytes >= unit; ++i) unit *= base;
  char buffer[400];
  std::snprintf(buffer, sizeof buffer, "%.1f %c%sB", base * bytes / unit, binary && i == 0 ? 'K' : names[i], binary ? "i" : "");
  return std::string(buffer);
}

inline std::string quote_url(std::string_view s, bool query) {
  std::string out;
  for (char c : s) {
    auto u = static_cast<unsigned char>(c);
    bool plain = (u < 0x80 && is_alnum(u)) || std::string_view("_.-~").find(c) != std::string_view::npos || (c == '/' && !query);
    if (plain) out += c;
    else if (c == ' ' && query) out += '+';
    else ((out += '%') += "0123456789ABCDEF"[u >> 4]) += "0123456789ABCDEF"[u & 15];
  }
  return out;
}
inline value urlencode(runtime& r, value const& v, arguments& a) {
  bind("urlencode", a, {});
  if (!v.is(kind::dict) && !v.is(kind::sequence)) return value(quote_url(to_str(r.budget, v), false));
  std::string out;
  auto put = [&](value const& k, value const& x) {
    if (!out.empty()) out += '&';
    out += quote_url(to_str(r.budget, k), true) + "=" + quote_url(to_str(r.budget, x), true);
    r.budget.text(out.size());
  };
  if (v.is(kind::dict)) {
    for (auto const& [k, x] : v.dict().items) put(k, x);
    return value(std::move(out));
  }
  for (auto const& item : v.sequence().items) {
    values both = collect(r.budget, item);
    if (both.size() != 2) value_error("urlencode takes pairs");
    put(both[0], both[1]);
  }
  return value(std::move(out));
}

}  // namespace verbatim::jinja::filters
