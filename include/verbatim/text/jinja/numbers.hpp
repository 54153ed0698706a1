// Python's int() and float() of strings, and round(): exact, correctly rounded.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "verbatim/text/jinja/operators.hpp"

namespace verbatim::jinja {

/// int(s, base); nothing where Python raises ValueError. Beyond 64 bits is an error.
inline std::optional<std::int64_t> read_integer(std::string_view s, int base = 10) {
  s = strip(s);
  bool negative = !s.empty() && s[0] == '-';
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) s.remove_prefix(1);
  auto prefix = [&](char letter, int meant) {
    if ((base != meant && base != 0) || s.size() < 2 || s[0] != '0' || (s[1] | 32) != letter) return;
    s.remove_prefix(2);
    if (!s.empty() && s[0] == '_') s.remove_prefix(1);
    base = meant;
  };
  prefix('x', 16), prefix('o', 8), prefix('b', 2);
  if (base == 0) base = 10;
  if (base < 2 || base > 36) return {};
  std::int64_t n = 0;
  bool digit = false;
  for (char c : s) {
    if (c == '_' && digit) {
      digit = false;
      continue;
    }
    char x = char(c | 32);
    int d = c >= '0' && c <= '9' ? c - '0' : x >= 'a' && x <= 'z' ? x - 'a' + 10 : 99;
    if (d >= base) return {};
    digit = true;
    if (__builtin_mul_overflow(n, std::int64_t(base), &n) || __builtin_sub_overflow(n, std::int64_t(d), &n)) overflow();
  }
  if (!digit) return {};                           // nothing, or an underscore at the end
  if (!negative && n == std::numeric_limits<std::int64_t>::min()) overflow();
  return negative ? n : -n;
}

/// float(s); nothing where Python raises ValueError.
inline std::optional<double> read_real(std::string_view s) {
  std::string t;
  s = strip(s);
  for (std::size_t i = 0; i < s.size(); ++i) {
    auto digit = [&](std::size_t k) { return k < s.size() && s[k] >= '0' && s[k] <= '9'; };
    if (s[i] == '_' && i > 0 && digit(i - 1) && digit(i + 1)) continue;
    if (std::string_view("0123456789+-.eEinfatyINFATY").find(s[i]) == std::string_view::npos) return {};
    t += s[i];
  }
  if (t.empty()) return {};
  char* end = nullptr;
  double d = std::strtod(t.c_str(), &end);
  if (*end) return {};
  return d;
}

/// round(d, digits) for floats: half to even of the exact binary value.
inline double round_real(double d, std::int64_t digits) {
  if (!std::isfinite(d) || digits > 308) return d;
  if (digits < -308) return std::copysign(0.0, d);
  if (digits >= 0) {
    std::string s(std::size_t(std::snprintf(nullptr, 0, "%.*f", int(digits), d)), '\0');
    std::snprintf(s.data(), s.size() + 1, "%.*f", int(digits), d);
    return std::strtod(s.c_str(), nullptr);
  }
  double unit = std::pow(10.0, double(-digits));
  return std::nearbyint(d / unit) * unit;
}

/// round(i, digits) for integers.
inline std::int64_t round_integer(std::int64_t i, std::int64_t digits) {
  if (digits >= 0) return i;
  if (digits < -18) return 0;
  std::int64_t unit = 1;
  for (std::int64_t k = digits; k < 0; ++k) unit *= 10;
  std::int64_t below = detail::modulo(i, unit), q = i - below;
  bool up = below > unit / 2 || (below == unit / 2 && detail::modulo(detail::floor_divide(q, unit), std::int64_t(2)) == 1);
  if (up && __builtin_add_overflow(q, unit, &q)) overflow();
  return q;
}

}  // namespace verbatim::jinja
