// Properties and mappings of code points, unpacked once (about 2 ms) from the generated tables into two-stage arrays of
// 256-entry blocks; a property is then two loads. Immutable after construction, so shared by all threads.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "verbatim/text/unicode_mappings.hpp"
#include "verbatim/text/unicode_properties.hpp"

namespace verbatim::detail {

/// Bits of unicode_record::flags; the generator writes them in this order.
enum unicode_flag : std::uint16_t {
  decomposes = 1,              ///< NFD changes it
  decomposes_compatibly = 2,   ///< NFKD changes it
  unsafe_in_nfc = 4,           ///< it may compose with what is before it, or NFC changes it
  numeric = 8,                 ///< Nd, Nl or No
  punctuation = 16,            ///< what the reference's Punctuation and Bert pre-tokenizers cut off
  combining_mark = 32,         ///< what the reference's StripAccents drops
  word = 64,                   ///< \w of Rust's regex
  lowers = 128,                ///< lower case differs
  onig_word = 256,             ///< \w of Oniguruma
  recent = 512,                ///< assigned after Unicode 14, so perhaps unknown to PCRE2
};

inline constexpr std::string_view category_names = "Cn Cc Cf Co Cs Ll Lm Lo Lt Lu Mc Me Mn Nd Nl No Pc Pd Pe Pf Pi Po Ps Sc Sk Sm So Zl Zp Zs";
inline constexpr int category_count = 30;

/// Sets of classes that the scanners ask for, one byte a code point.
enum class_bit : std::uint8_t {
  is_upper = 1,       ///< Lu, Lt
  is_lower = 2,       ///< Ll
  is_caseless = 4,    ///< Lm, Lo
  is_letter = 7,
  is_mark = 8,
  is_number = 16,
  is_space = 32,      ///< White_Space
  is_newline = 64,    ///< \r and \n; both are spaces too
  is_symbol = 128,    ///< P or S
};

class unicode {
 public:
  static unicode const& get() {
    static unicode const instance;
    return instance;
  }

  unicode_record const& operator[](char32_t c) const noexcept { return unicode_records[record(c)]; }
  bool has(char32_t c, int flag) const noexcept { return ((*this)[c].flags & flag) != 0; }
  std::uint8_t classes(char32_t c) const noexcept { return c < 128 ? ascii_[c] : c == 0x85 ? std::uint8_t(is_space) : classes_[record(c)]; }
  std::uint8_t ascii_classes(unsigned char c) const noexcept { return ascii_[c]; }
  bool white_space(char32_t c) const noexcept { return (classes(c) & is_space) != 0; }

  using mapping = std::unordered_map<char32_t, std::pair<std::uint32_t, std::uint32_t>>;   // place and length in text
  std::pair<char32_t const*, std::size_t> canonical(char32_t c) const { return look(canonical_, c); }
  std::pair<char32_t const*, std::size_t> compatibility(char32_t c) const {
    auto found = look(compatibility_, c);
    return found.second != 0 ? found : look(canonical_, c);
  }
  std::pair<char32_t const*, std::size_t> lower(char32_t c) const { return look(lower_, c); }
  /// What two code points compose to (Hangul excepted), or 0.
  char32_t composed(char32_t a, char32_t b) const {
    auto const found = compositions_.find(std::uint64_t(a) << 32 | b);
    return found == compositions_.end() ? 0 : found->second;
  }

 private:
  struct reader {
    char const* at;
    bool more() const { return *at != 0; }
    std::uint32_t next() {
      std::uint32_t value = 0;
      for (int shift = 0;; shift += 5) {
        char const c = *at++;
        auto const digit = std::uint32_t(c >= 'a' ? c - 'a' + 36 : c >= 'A' ? c - 'A' + 10 : c >= '0' ? c - '0' : c == '+' ? 62 : 63);
        value |= (digit & 31) << shift;
        if (digit < 32) return value;
      }
    }
  };

  unicode() {
    std::vector<std::uint8_t> flat;
    flat.reserve(0x110000);
    for (reader r{unicode_runs}; r.more();) {
      std::uint32_t const length = r.next();
      flat.insert(flat.end(), length, std::uint8_t(r.next()));
    }
    flat.resize(0x110000);
    std::map<std::string_view, std::uint16_t> known;
    for (std::size_t block = 0; block < blocks_.size(); ++block) {
      std::string_view const content(reinterpret_cast<char const*>(flat.data()) + block * 256, 256);
      auto const [at, fresh] = known.try_emplace(content, std::uint16_t(known.size()));
      if (fresh) records_.insert(records_.end(), content.begin(), content.end());
      blocks_[block] = at->second;
    }
    read(unicode_canonical, canonical_);
    read(unicode_compatibility, compatibility_);
    read(unicode_lower, lower_);
    char32_t first = 0;
    for (reader r{unicode_compositions}; r.more();) {
      first += r.next();
      char32_t const second = r.next();
      compositions_.emplace(std::uint64_t(first) << 32 | second, r.next());
    }
    fill_classes();
  }
  void fill_classes() {
    for (std::size_t i = 0; i < std::size(unicode_records); ++i) {
      std::string_view const name = category_names.substr(unicode_records[i].category * 3u, 2);
      int bits = name == "Ll" ? is_lower : name == "Lu" || name == "Lt" ? is_upper : 0;
      if (name == "Lm" || name == "Lo") bits = is_caseless;
      if (name[0] == 'M') bits = is_mark;
      if (name[0] == 'N') bits = is_number;
      if (name[0] == 'Z') bits = is_space;
      if (name[0] == 'P' || name[0] == 'S') bits = is_symbol;
      classes_[i] = std::uint8_t(bits);
    }
    for (unsigned c = 0; c < 128; ++c) {
      ascii_[c] = classes_[record(c)];
      if (c == ' ' || (c >= 9 && c <= 13)) ascii_[c] = is_space;
      if (c == '\r' || c == '\n') ascii_[c] = is_space | is_newline;
    }
  }
  void read(char const* packed, mapping& out) {
    char32_t c = 0;
    for (reader r{packed}; r.more();) {
      c += r.next();
      std::uint32_t const length = r.next();
      out.emplace(c, std::pair(std::uint32_t(text_.size()), length));
      for (std::uint32_t i = 0; i < length; ++i) text_.push_back(r.next());
    }
  }
  std::pair<char32_t const*, std::size_t> look(mapping const& table, char32_t c) const {
    auto const found = table.find(c);
    if (found == table.end()) return {nullptr, 0};
    return {text_.data() + found->second.first, found->second.second};
  }
  std::uint8_t record(char32_t c) const noexcept { return records_[std::size_t(blocks_[c >> 8]) << 8 | (c & 255)]; }

  std::array<std::uint16_t, 0x1100> blocks_{};
  std::vector<std::uint8_t> records_;
  std::array<std::uint8_t, 256> classes_{};
  std::array<std::uint8_t, 128> ascii_{};
  mapping canonical_, compatibility_, lower_;
  std::vector<char32_t> text_;
  std::unordered_map<std::uint64_t, char32_t> compositions_;
};

}  // namespace verbatim::detail
