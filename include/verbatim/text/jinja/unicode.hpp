// Code points inside UTF-8 strings as Python sees them: counting, indexing, white space, line ends.
// A byte that is not UTF-8 counts as one code point, so that no input is undefined; every function is linear.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace verbatim::jinja {

/// Bytes of the code point that starts at `at` (1 to 4; 1 for a byte that is not UTF-8).
inline std::size_t width_at(std::string_view s, std::size_t at) {
  unsigned char c = static_cast<unsigned char>(s[at]);
  std::size_t n = c < 0x80 ? 1 : c >= 0xF0 && c < 0xF5 ? 4 : c >= 0xE0 && c < 0xF0 ? 3 : c >= 0xC2 && c < 0xE0 ? 2 : 1;
  if (at + n > s.size()) return 1;
  for (std::size_t i = 1; i < n; ++i)
    if ((static_cast<unsigned char>(s[at + i]) & 0xC0) != 0x80) return 1;
  return n;
}

/// The code point that starts at `at`; the byte itself, plus 0xDC00, where it is not UTF-8 (Python's surrogateescape).
inline char32_t point_at(std::string_view s, std::size_t at) {
  auto byte = [&](std::size_t i) { return char32_t(static_cast<unsigned char>(s[at + i])); };
  switch (width_at(s, at)) {
    case 2: return (byte(0) & 0x1F) << 6 | (byte(1) & 0x3F);
    case 3: return (byte(0) & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
    case 4: return (byte(0) & 0x07) << 18 | (byte(1) & 0x3F) << 12 | (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F);
    default: return byte(0) < 0x80 ? byte(0) : 0xDC00 + byte(0);
  }
}

inline void append_point(std::string& out, char32_t c) {
  if (c >= 0xDC80 && c <= 0xDCFF) {
    out += char(c - 0xDC00);
  } else if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += char(0xC0 | c >> 6);
    out += char(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    out += char(0xE0 | c >> 12);
    out += char(0x80 | (c >> 6 & 0x3F));
    out += char(0x80 | (c & 0x3F));
  } else {
    out += char(0xF0 | c >> 18);
    out += char(0x80 | (c >> 12 & 0x3F));
    out += char(0x80 | (c >> 6 & 0x3F));
    out += char(0x80 | (c & 0x3F));
  }
}

inline bool is_ascii(std::string_view s) {
  for (char c : s)
    if (static_cast<unsigned char>(c) >= 0x80) return false;
  return true;
}

inline std::size_t count_points(std::string_view s) {
  std::size_t n = 0;
  for (std::size_t at = 0; at < s.size(); at += width_at(s, at)) ++n;
  return n;
}

/// Byte offset of code point `index` (at most the size of the string).
inline std::size_t offset_of(std::string_view s, std::size_t index) {
  std::size_t at = 0;
  while (index-- > 0 && at < s.size()) at += width_at(s, at);
  return at;
}

/// str.isspace of one character.
inline bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

/// Bytes of the line end at `at` in the sense of str.splitlines, 0 where there is none.
inline std::size_t line_end_at(std::string_view s, std::size_t at) {
  char32_t c = point_at(s, at);
  if (c == '\r') return at + 1 < s.size() && s[at + 1] == '\n' ? 2 : 1;
  bool end = c == '\n' || c == 0x0B || c == 0x0C || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
  return end ? width_at(s, at) : 0;
}

inline std::string_view strip_left(std::string_view s) {
  while (!s.empty() && is_space(point_at(s, 0))) s.remove_prefix(width_at(s, 0));
  return s;
}

/// Start of the code point that ends at `end` (> 0).
inline std::size_t before(std::string_view s, std::size_t end) {
  for (std::size_t n = 2; n <= 4 && n <= end; ++n)
    if (width_at(s, end - n) == n && point_at(s, end - n) >= 0x80) return end - n;
  return end - 1;
}

inline std::string_view strip_right(std::string_view s) {
  while (!s.empty()) {
    std::size_t at = before(s, s.size());
    if (!is_space(point_at(s, at))) break;
    s = s.substr(0, at);
  }
  return s;
}

inline std::string_view strip(std::string_view s) { return strip_right(strip_left(s)); }

}  // namespace verbatim::jinja
