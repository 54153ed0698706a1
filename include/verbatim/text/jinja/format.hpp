// Formatting: printf-style `%`, str.format with its mini-language, and HTML escaping. Widths and precisions are
// bounded, so that no format asks for more text than the limits allow.
#pragma once
#include <cmath>
#include <cstdio>
#include <optional>
#include <string>

#include "verbatim/text/jinja/show.hpp"

namespace verbatim::jinja {

inline std::string escape_html(std::string_view s) {
  std::string out;
  for (char c : s) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&#34;"; break;
      case '\'': out += "&#39;"; break;
      default: out += c;
    }
  }
  return out;
}

/// One field of a format: `[[fill]align][sign][#][0][width][,][.precision][type]`.
struct format_spec {
  std::string fill = " ";
  char align = 0, sign = '-', type = 0, group = 0;
  bool alternate = false;
  std::size_t width = 0;
  std::optional<int> precision;
};

namespace detail {

inline std::size_t read_count(std::string_view s, std::size_t& at, std::string_view what) {
  std::size_t n = 0;
  for (; at < s.size() && s[at] >= '0' && s[at] <= '9'; ++at) {
    n = n * 10 + std::size_t(s[at] - '0');
    if (n > 1'000'000) value_error(std::string(what) + " too large");
  }
  return n;
}

inline std::string with_groups(std::string digits, char group, std::size_t every = 3) {
  for (std::size_t i = digits.size(); group && i > every; i -= every) digits.insert(i - every, 1, group);
  return digits;
}

inline std::string pad(meter& m, std::string body, format_spec const& f, char default_align, std::size_t sign_width) {
  std::size_t length = count_points(body);
  if (length >= f.width) return body;
  std::size_t n = f.width - length;
  m.text(f.width * f.fill.size());
  auto fill = [&](std::size_t times) {
    std::string s;
    while (times-- > 0) s += f.fill;
    return s;
  };
  switch (f.align ? f.align : default_align) {
    case '<': return body + fill(n);
    case '^': return fill(n / 2) + body + fill(n - n / 2);
    case '=': return body.substr(0, sign_width) + fill(n) + body.substr(sign_width);
    default: return fill(n) + body;
  }
}

inline std::string print_real(double d, char type, int precision, bool alternate) {
  char shape[] = {'%', alternate ? '#' : '.', alternate ? '.' : '*', alternate ? '*' : type, alternate ? type : '\0', '\0'};
  int n = std::snprintf(nullptr, 0, shape, precision, d);
  std::string out(std::size_t(n), '\0');
  std::snprintf(out.data(), out.size() + 1, shape, precision, d);
  return out;
}

inline std::string in_base(std::uint64_t n, unsigned base, bool upper = false) {
  std::string_view const digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  std::string out;
  for (bool more = true; more; more = n != 0) {
    out.insert(out.begin(), digits[std::size_t(n % base)]);
    n /= base;
  }
  return out;
}

inline std::string signed_body(bool negative, char sign, std::string body) {
  return (negative ? "-" : sign == '+' ? "+" : sign == ' ' ? " " : "") + body;
}

inline std::string format_integer(meter& m, std::int64_t i, format_spec const& f) {
  std::uint64_t n = i < 0 ? 0 - std::uint64_t(i) : std::uint64_t(i);
  std::string digits, prefix;
  switch (f.type) {
    case 'b': digits = in_base(n, 2), prefix = "0b"; break;
    case 'o': digits = in_base(n, 8), prefix = "0o"; break;
    case 'x': digits = in_base(n, 16), prefix = "0x"; break;
    case 'X': digits = in_base(n, 16, true), prefix = "0X"; break;
    case 'c': append_point(digits, char32_t(n)); break;
    default: digits = std::to_string(n);
  }
  digits = with_groups(digits, f.group, f.type && f.type != 'd' ? 4 : 3);
  if (!f.alternate) prefix.clear();
  std::string body = signed_body(i < 0, f.sign, prefix + digits);
  return pad(m, body, f, f.type == 'c' ? '<' : '>', body.size() - digits.size());
}

inline std::string format_real(meter& m, double d, format_spec const& f) {
  std::string body;
  double magnitude = std::fabs(d);
  int precision = f.precision.value_or(6);
  char type = f.type == '%' ? 'f' : f.type == 'n' ? 'g' : f.type;
  if (!f.type && !f.precision) {
    body = show_real(magnitude);
  } else if (!f.type) {                            // like 'g', but with a digit after the point
    body = print_real(magnitude, 'g', std::max(precision, 1), false);
    if (body.find_first_of(".einf") == body.npos) {
      body = int(body.size()) >= std::max(precision, 1) ? print_real(magnitude, 'e', std::max(precision, 1) - 1, false) : body + ".0";
    }
  } else {
    body = print_real(f.type == '%' ? magnitude * 100 : magnitude, type, type == 'g' || type == 'G' ? std::max(precision, 1) : precision, f.alternate);
  }
  if (f.group) {
    std::size_t point = std::min(body.find_first_of(".e"), body.size());
    body = with_groups(body.substr(0, point), f.group) + body.substr(point);
  }
  if (f.type == '%') body += '%';
  std::string all = signed_body(std::signbit(d) && !std::isnan(d), f.sign, body);
  return pad(m, all, f, '>', all.size() - body.size());
}

inline format_spec parse_spec(std::string_view s) {
  format_spec f;
  std::size_t at = 0;
  auto is_align = [](char c) { return c == '<' || c == '>' || c == '=' || c == '^'; };
  std::size_t first = s.empty() ? 0 : width_at(s, 0);
  if (first && first < s.size() && is_align(s[first])) {
    f.fill = s.substr(0, first);
    f.align = s[first];
    at = first + 1;
  } else if (!s.empty() && is_align(s[0])) {
    f.align = s[at++];
  }
  if (at < s.size() && (s[at] == '+' || s[at] == '-' || s[at] == ' ')) f.sign = s[at++];
  if (at < s.size() && s[at] == '#') f.alternate = true, ++at;
  if (at < s.size() && s[at] == '0') {
    if (!f.align) f.fill = "0", f.align = '=';
    ++at;
  }
  f.width = read_count(s, at, "width");
  if (at < s.size() && (s[at] == ',' || s[at] == '_')) f.group = s[at++];
  if (at < s.size() && s[at] == '.') {
    std::size_t from = ++at;
    f.precision = int(read_count(s, at, "precision"));
    if (at == from) value_error("Format specifier missing precision");
  }
  if (at < s.size()) f.type = s[at++];
  if (at < s.size()) value_error("Invalid format specifier");
  return f;
}

}  // namespace detail

/// format(v, spec)
inline std::string format_value(meter& m, value const& v, std::string_view spec) {
  if (spec.empty()) return to_str(m, v);
  format_spec f = detail::parse_spec(spec);
  auto one_of = [&](std::string_view types) { return !f.type || types.find(f.type) != types.npos; };
  if (v.is_string() && one_of("s")) {
    if (f.align == '=' && f.fill == "0") f.align = '<';
    if (f.align == '=' || f.sign != '-' || f.group || f.alternate) value_error("format specifier not allowed for a string");
    std::string body = f.precision ? v.text().substr(0, offset_of(v.text(), std::size_t(*f.precision))) : v.text();
    return detail::pad(m, body, f, '<', 0);
  }
  if (v.is(kind::boolean) && !f.type) return detail::pad(m, to_str(m, v), f, '>', 0);
  if (v.is_integral() && one_of("bcdoxXn")) {
    if (f.precision) value_error("Precision not allowed in integer format specifier");
    return detail::format_integer(m, v.integer(), f);
  }
  if (v.is_number() && one_of("eEfFgGn%")) {
    m.text(std::size_t(f.precision.value_or(0)) + 400);
    return detail::format_real(m, v.real(), f);
  }
  if (v.is_string() || v.is_number())
    value_error(std::string("Unknown format code '") + f.type + "' for object of type '" + type_name(v) + "'");
  type_error("unsupported format string passed to " + type_name(v) + ".__format__");
}

}  // namespace verbatim::jinja
