// JSON text, written straight into a string: what is sent once per token does not go through a tree of values.
// Invariants: the output is valid UTF-8 and valid JSON whatever the input; numbers are read back bit for bit.
// Cost: one pass over the input, no allocation beyond the growth of `out`.
#pragma once
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

namespace verbatim::wire {

/// Length of the valid UTF-8 sequence at the start of `s`; 0 when there is none (RFC 3629: no surrogates, no overlongs).
constexpr std::size_t utf8_length(std::string_view s) noexcept {
  if (s.empty()) return 0;
  auto const at = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
  auto const tail = [&](std::size_t i) { return (at(i) & 0xc0u) == 0x80u; };
  unsigned const b = at(0);
  if (b < 0x80) return 1;
  if (b < 0xc2 || b > 0xf4) return 0;
  if (b < 0xe0) return tail(1) ? 2 : 0;
  if (b < 0xf0) {
    if (!tail(1) || !tail(2) || (b == 0xe0 && at(1) < 0xa0) || (b == 0xed && at(1) > 0x9f)) return 0;
    return 3;
  }
  if (!tail(1) || !tail(2) || !tail(3) || (b == 0xf0 && at(1) < 0x90) || (b == 0xf4 && at(1) > 0x8f)) return 0;
  return 4;
}

constexpr bool is_utf8(std::string_view s) noexcept {
  while (!s.empty()) {
    std::size_t const n = utf8_length(s);
    if (n == 0) return false;
    s.remove_prefix(n);
  }
  return true;
}

/// The longest beginning of `s` of at most `bytes` bytes that cuts no code point.
constexpr std::string_view utf8_prefix(std::string_view s, std::size_t bytes) noexcept {
  if (s.size() <= bytes) return s;
  while (bytes > 0 && (static_cast<unsigned char>(s[bytes]) & 0xc0u) == 0x80u) --bytes;
  return s.substr(0, bytes);
}

namespace detail {
inline void put_control(std::string& out, unsigned char c) {
  constexpr char hex[] = "0123456789abcdef";
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  out += "\\u00";
  out += hex[c >> 4];
  out += hex[c & 15];
}
}  // namespace detail

/// The inside of a JSON string: escaped, without quotes. Bytes that are not UTF-8 become U+FFFD.
inline void put_escaped(std::string& out, std::string_view s) {
  std::size_t i = 0, plain = 0;
  while (i < s.size()) {
    auto const c = static_cast<unsigned char>(s[i]);
    if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\') {
      ++i;
      continue;
    }
    std::size_t const n = c < 0x80 ? 1 : utf8_length(s.substr(i));
    if (n > 1) {
      i += n;
      continue;
    }
    out.append(s, plain, i - plain);
    if (c < 0x80) detail::put_control(out, c); else out += "\xef\xbf\xbd";
    plain = ++i;
  }
  out.append(s, plain, s.size() - plain);
}

inline void put_string(std::string& out, std::string_view s) {
  out += '"';
  put_escaped(out, s);
  out += '"';
}

inline void put_integer(std::string& out, std::int64_t value) {
  char text[24];
  auto const end = std::to_chars(text, text + sizeof text, value).ptr;
  out.append(text, end);
}

/// A finite number, written so that reading it as a double gives exactly this float. JSON knows no NaN or infinity:
/// they become -9999.0, which is also the floor of reported log-probabilities.
inline void put_real(std::string& out, float value) {
  if (!std::isfinite(value) || value < -9999.0f) value = -9999.0f;
  char text[40];
  auto const end = std::to_chars(text, text + sizeof text, double(value)).ptr;
  std::string_view const digits(text, std::size_t(end - text));
  out += digits;
  if (digits.find_first_of(".e") == digits.npos) out += ".0";
}

template <class Range, class Put> void put_list(std::string& out, Range const& range, Put put) {
  out += '[';
  bool first = true;
  for (auto const& element : range) {
    if (!first) out += ',';
    first = false;
    put(element);
  }
  out += ']';
}

template <class Range> void put_integers(std::string& out, Range const& range) {
  put_list(out, range, [&](auto value) { put_integer(out, std::int64_t(value)); });
}

}  // namespace verbatim::wire
