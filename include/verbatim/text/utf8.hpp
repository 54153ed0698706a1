// UTF-8 at the byte level: reading and writing code points of text known to be valid, and repairing text that is not.
// Repair follows Unicode's recommendation (one U+FFFD for each maximal ill-formed part), which is also what Python's
// errors="replace" and Rust's from_utf8_lossy do. Linear time; the streaming form holds back at most three bytes.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace verbatim::detail {

inline constexpr std::string_view replacement_character = "\xEF\xBF\xBD";

/// Length of the sequence that a lead byte of valid UTF-8 opens.
constexpr int utf8_length(unsigned char lead) noexcept { return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4; }

/// The code point at `p` (valid UTF-8); `p` moves behind it.
inline char32_t utf8_next(char const*& p) noexcept {
  auto const at = [&p](int i) { return char32_t(static_cast<unsigned char>(p[i])); };
  char32_t const a = at(0);
  if (a < 0x80) return ++p, a;
  if (a < 0xE0) {
    char32_t const c = (a & 31) << 6 | (at(1) & 63);
    return p += 2, c;
  }
  if (a < 0xF0) {
    char32_t const c = (a & 15) << 12 | (at(1) & 63) << 6 | (at(2) & 63);
    return p += 3, c;
  }
  char32_t const c = (a & 7) << 18 | (at(1) & 63) << 12 | (at(2) & 63) << 6 | (at(3) & 63);
  return p += 4, c;
}

/// Where the code point before `p` begins.
inline char const* utf8_before(char const* p) noexcept {
  do --p;
  while ((static_cast<unsigned char>(*p) & 0xC0) == 0x80);
  return p;
}

inline void utf8_append(std::string& out, char32_t c) {
  if (c < 0x80) {
    out += char(c);
  } else if (c < 0x800) {
    out += {char(0xC0 | c >> 6), char(0x80 | (c & 63))};
  } else if (c < 0x10000) {
    out += {char(0xE0 | c >> 12), char(0x80 | (c >> 6 & 63)), char(0x80 | (c & 63))};
  } else {
    out += {char(0xF0 | c >> 18), char(0x80 | (c >> 12 & 63)), char(0x80 | (c >> 6 & 63)), char(0x80 | (c & 63))};
  }
}

/// The number of leading ASCII bytes, eight at a time.
inline std::size_t ascii_prefix(std::string_view text) noexcept {
  std::size_t i = 0;
  for (std::uint64_t word; i + 8 <= text.size(); i += 8) {
    std::memcpy(&word, text.data() + i, 8);
    if (word & 0x8080808080808080u) break;
  }
  while (i < text.size() && static_cast<unsigned char>(text[i]) < 0x80) ++i;
  return i;
}

/// Turns bytes that come in pieces into valid UTF-8.
class utf8_repair {
 public:
  void push(std::string_view bytes, std::string& out) {
    if (held_ == 0) {
      std::size_t const plain = ascii_prefix(bytes);
      out += bytes.substr(0, plain);
      bytes.remove_prefix(plain);
    }
    for (char b : bytes) push(static_cast<unsigned char>(b), out);
  }
  /// The end of the text: what is held back is incomplete for good.
  void finish(std::string& out) {
    if (held_ != 0) out += replacement_character;
    held_ = 0;
  }

 private:
  void push(unsigned char b, std::string& out) {
    if (held_ != 0) {
      if (b >= low_ && b <= high_) {
        bytes_[held_++] = char(b);
        low_ = 0x80;
        high_ = 0xBF;
        if (held_ == need_) {
          out.append(bytes_, std::size_t(held_));
          held_ = 0;
        }
        return;
      }
      out += replacement_character;
      held_ = 0;
    }
    if (b < 0x80) {
      out += char(b);
    } else if (b < 0xC2 || b > 0xF4) {
      out += replacement_character;
    } else {
      bytes_[0] = char(b);
      held_ = 1;
      need_ = utf8_length(b);
      low_ = b == 0xE0 ? 0xA0 : b == 0xF0 ? 0x90 : 0x80;  // no overlong forms,
      high_ = b == 0xED ? 0x9F : b == 0xF4 ? 0x8F : 0xBF;  // no surrogates, nothing above U+10FFFF
    }
  }

  char bytes_[4] = {};
  int held_ = 0, need_ = 0;
  unsigned char low_ = 0x80, high_ = 0xBF;
};

/// Length of the valid UTF-8 sequence at `i`, or 0.
inline int utf8_valid_at(std::string_view text, std::size_t i) noexcept {
  auto const at = [&](std::size_t k) { return static_cast<unsigned char>(text[i + k]); };
  unsigned char const a = at(0);
  if (a < 0x80) return 1;
  if (a < 0xC2 || a > 0xF4) return 0;
  int const n = utf8_length(a);
  if (text.size() - i < std::size_t(n)) return 0;
  unsigned char const low = a == 0xE0 ? 0xA0 : a == 0xF0 ? 0x90 : 0x80, high = a == 0xED ? 0x9F : a == 0xF4 ? 0x8F : 0xBF;
  if (at(1) < low || at(1) > high) return 0;
  for (int k = 2; k < n; ++k)
    if ((at(std::size_t(k)) & 0xC0) != 0x80) return 0;
  return n;
}

/// The number of leading bytes that are valid UTF-8.
inline std::size_t utf8_prefix(std::string_view text) noexcept {
  for (std::size_t i = 0;;) {
    i += ascii_prefix(text.substr(i));
    while (i < text.size() && static_cast<unsigned char>(text[i]) >= 0x80) {
      int const n = utf8_valid_at(text, i);
      if (n == 0) return i;
      i += std::size_t(n);
    }
    if (i == text.size()) return i;
  }
}

/// `text` itself when it is valid, else its repaired copy, which `storage` holds.
inline std::string_view utf8_repaired(std::string_view text, std::string& storage) {
  std::size_t const valid = utf8_prefix(text);
  if (valid == text.size()) return text;
  storage.assign(text.substr(0, valid));
  utf8_repair repair;
  repair.push(text.substr(valid), storage);
  repair.finish(storage);
  return storage;
}

}  // namespace verbatim::detail
