// The byte-level alphabet: each byte is written as one printable code point, visible Latin-1 as itself and the others,
// in order, as U+0100 and following. A bijection, so byte-level BPE can work on the bytes themselves.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "verbatim/text/utf8.hpp"

namespace verbatim::detail {

inline constexpr std::array<char16_t, 256> byte_alphabet = [] {
  std::array<char16_t, 256> table{};
  char16_t next = 256;
  for (int b = 0; b < 256; ++b) table[std::size_t(b)] = (b > 32 && b < 127) || (b > 160 && b != 173) ? char16_t(b) : next++;
  return table;
}();

/// The byte that a code point stands for, or -1.
constexpr int byte_of(char32_t c) noexcept {
  constexpr std::array<short, 324> back = [] {
    std::array<short, 324> table{};
    for (auto& b : table) b = -1;
    for (int b = 0; b < 256; ++b) table[byte_alphabet[std::size_t(b)]] = short(b);
    return table;
  }();
  return c < back.size() ? back[c] : -1;
}

inline void append_byte_alphabet(std::string_view bytes, std::string& out) {
  for (char b : bytes) utf8_append(out, byte_alphabet[static_cast<unsigned char>(b)]);
}

/// The bytes that `text` writes; false (and `bytes` unspecified) if one of its code points is not of the alphabet.
inline bool from_byte_alphabet(std::string_view text, std::string& bytes) {
  bytes.clear();
  for (char const *p = text.data(), *end = p + text.size(); p < end;) {
    int const b = byte_of(utf8_next(p));
    if (b < 0) return false;
    bytes += char(b);
  }
  return true;
}

}  // namespace verbatim::detail
