// str() and repr() of every value, and JSON text as Python's json.dumps writes it. Linear in what is written; every
// value visited is charged.
#pragma once
#include <charconv>
#include <cmath>
#include <string>

#include "verbatim/text/jinja/casing.hpp"
#include "verbatim/text/jinja/value.hpp"

namespace verbatim::jinja {

/// repr of a float: the shortest digits that read back, with an exponent below 1e-4 and from 1e16 on.
inline std::string show_real(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
  char buffer[40];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific).ptr;
  std::string s(buffer, end);
  std::size_t e = s.find('e');
  int exponent = std::atoi(s.c_str() + e + 1);
  bool negative = s[0] == '-';
  std::string digits = s.substr(negative, 1);
  if (e > std::size_t(negative) + 1) digits += s.substr(negative + 2, e - negative - 2);
  std::string out = negative ? "-" : "";
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (digits.size() > 1) out += "." + digits.substr(1);
    std::string power = std::to_string(std::abs(exponent));
    return out + (exponent < 0 ? "e-" : "e+") + (power.size() < 2 ? "0" : "") + power;
  }
  if (exponent < 0) return out + "0." + std::string(std::size_t(-exponent - 1), '0') + digits;
  if (int(digits.size()) <= exponent + 1) return out + digits + std::string(std::size_t(exponent + 1) - digits.size(), '0') + ".0";
  return out + digits.substr(0, std::size_t(exponent) + 1) + "." + digits.substr(std::size_t(exponent) + 1);
}

namespace detail {

inline void append_hex(std::string& out, char const* prefix, char32_t c, int digits) {
  out += prefix;
  for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4) out += "0123456789abcdef"[c >> shift & 15];
}

inline void quote(std::string& out, std::string_view s) {
  char mark = s.find('\'') != s.npos && s.find('"') == s.npos ? '"' : '\'';
  out += mark;
  for (std::size_t at = 0; at < s.size(); at += width_at(s, at)) {
    char32_t c = point_at(s, at);
    if (c == char32_t(mark) || c == '\\') (out += '\\') += char(c);
    else if (c == '\n') out += "\\n";
    else if (c == '\r') out += "\\r";
    else if (c == '\t') out += "\\t";
    else if (is_printable(c)) append_point(out, c);
    else if (c < 0x100) append_hex(out, "\\x", c, 2);
    else if (c < 0x10000) append_hex(out, "\\u", c, 4);
    else append_hex(out, "\\U", c, 8);
  }
  out += mark;
}

}  // namespace detail

class shower {
 public:
  shower(meter& m, std::string& out) : meter_(m), out_(out) {}

  void str(value const& v) {
    if (v.is_string()) {
      put(v.text());
    } else if (!v.undefined()) {
      repr(v);
    }
  }
  void repr(value const& v) {
    meter_.step();
    switch (v.type()) {
      case kind::undefined: return put("Undefined");
      case kind::none: return put("None");
      case kind::boolean: return put(v.boolean() ? "True" : "False");
      case kind::integer: return put(std::to_string(v.integer()));
      case kind::real: return put(show_real(v.real()));
      case kind::string: return quoted(v.string());
      case kind::sequence: return sequence(v.sequence());
      case kind::dict: return dict(v.dict());
      case kind::generator: return put("<generator object>");
      case kind::native: return put(v.native().shown());
    }
  }

 private:
  void put(std::string_view s) {
    meter_.text(out_.size() + s.size() > meter_.text_limit() ? meter_.text_limit() + 1 : s.size());
    out_ += s;
  }
  void quoted(string_object const& s) {
    meter_.text(s.s.size());
    if (s.safe) put("Markup(");
    detail::quote(out_, s.s);
    put(s.safe ? ")" : "");
  }
  void sequence(sequence_object const& s) {
    if (s.what == flavor::range) return put(s.shown);
    constexpr char const* open[] = {"[", "(", "", "dict_keys([", "dict_values([", "dict_items(["};
    constexpr char const* close[] = {"]", ")", "", "])", "])", "])"};
    put(open[int(s.what)]);
    for (std::size_t i = 0; i < s.items.size(); ++i) {
      if (i) put(", ");
      repr(s.items[i]);
    }
    if (s.what == flavor::tuple && s.items.size() == 1) put(",");
    put(close[int(s.what)]);
  }
  void dict(dict_object const& d) {
    put("{");
    bool first = true;
    for (auto const& [k, v] : d.items) {
      if (!first) put(", ");
      first = false;
      repr(k);
      put(": ");
      repr(v);
    }
    put("}");
  }
  meter& meter_;
  std::string& out_;
};

inline std::string to_str(meter& m, value const& v) {
  if (v.is_string()) return v.text();
  std::string out;
  shower(m, out).str(v);
  return out;
}
inline std::string to_repr(meter& m, value const& v) {
  std::string out;
  shower(m, out).repr(v);
  return out;
}

}  // namespace verbatim::jinja
