// Translates a pattern from Oniguruma's Ruby syntax, which tokenizer.json speaks, to PCRE2's, keeping its meaning:
// \s \S \w \W \d \D \h as Unicode sets, \p{..} with code points newer than PCRE2's tables added, \v and \uHHHH as characters,
// (?m:..) as "dot matches all", X{n,m}+ as a repeated X{n,m}. What has no equal (set intersection, nested sets, \X, ...) is an
// error("tokenizer", 7). One pass, no recursion.
#pragma once
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/text/unicode.hpp"

namespace verbatim::detail {

class regex_syntax {
 public:
  explicit regex_syntax(std::string_view pattern) : in_(pattern) {}

  std::string translate() {
    if (in_.size() > 65536) fail("longer than 65536 bytes");
    while (at_ < in_.size()) {
      char const c = in_[at_];
      if (c == '(') {
        group();
      } else if (c == ')') {
        if (open_.empty()) fail("unmatched ')'");
        atom_ = open_.back();
        open_.pop_back();
        take();
      } else if (c == '[') {
        atom_ = out_.size();
        set();
      } else if (c == '\\') {
        atom_ = out_.size();
        escape();
      } else if (c == '*' || c == '+' || c == '?' || c == '{') {
        quantifier();
      } else {
        atom_ = out_.size();
        take();
        while (at_ < in_.size() && (static_cast<unsigned char>(in_[at_]) & 0xC0) == 0x80) take();  // one code point
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::string const& why) const {
    throw error("tokenizer", 7, "regular expression " + std::string(in_.substr(0, 200)) + ": " + why + " at byte " + std::to_string(at_));
  }
  void take() { out_ += in_[at_++]; }
  bool looking_at(std::string_view what) const { return in_.substr(at_).starts_with(what); }

  void group() {
    open_.push_back(out_.size());
    take();
    if (!looking_at("?")) return;
    take();
    for (std::string_view plain : {":", "=", "!", ">", "<=", "<!"})
      if (looking_at(plain)) {
        out_ += plain;
        at_ += plain.size();
        return;
      }
    for (; at_ < in_.size() && in_[at_] != ':' && in_[at_] != ')'; ++at_) {
      char const c = in_[at_];
      if (c != 'i' && c != 'm' && c != 'x' && c != '-') fail("unsupported group");
      out_ += c == 'm' ? 's' : c;
    }
    if (looking_at(":")) take();
  }

  void quantifier() {
    std::size_t const begin = at_;
    bool const counted = in_[at_] == '{';
    if (counted) {
      std::size_t const close = in_.find('}', at_);
      bool const numbers = close != in_.npos && close > at_ + 1 && in_.substr(at_ + 1, close - at_ - 1).find_first_not_of("0123456789,") == in_.npos;
      if (!numbers || in_[at_ + 1] == ',') fail("unsupported use of '{'");
      at_ = close + 1;
    } else {
      ++at_;
    }
    out_ += in_.substr(begin, at_ - begin);
    if (counted && looking_at("+")) {  // in Ruby's syntax this repeats the counted repetition
      out_.insert(atom_, "(?:");
      out_ += ")+";
      ++at_;
    } else if (at_ < in_.size() && (in_[at_] == '?' || in_[at_] == '+')) {
      take();
    }
  }

  void escape() {
    switch (in_.size() > at_ + 1 ? in_[at_ + 1] : '\0') {
      case 's': return replace(2, "[" + spaces() + "]");
      case 'S': return replace(2, "[^" + spaces() + "]");
      case 'w': return replace(2, "[" + words() + "]");
      case 'W': return replace(2, "[^" + words() + "]");
      case 'd': return replace(2, "[" + property("Nd") + "]");
      case 'D': return replace(2, "[^" + property("Nd") + "]");
      case 'h': return replace(2, "[0-9a-fA-F]");
      case 'H': return replace(2, "[^0-9a-fA-F]");
      case 'p': case 'P': {
        bool negated = false;
        std::string const members = named(negated);
        out_ += (negated ? "[^" : "[") + members + "]";
        return;
      }
      case 'A': case 'z': case 'Z': case 'b': case 'B': case 'G': return replace(2, std::string(in_.substr(at_, 2)));
      default: return character();
    }
  }

  /// An escape that stands for one character, in and out of sets.
  void character() {
    if (at_ + 1 >= in_.size()) fail("'\\' at the end");
    char const c = in_[at_ + 1];
    auto const hex = [](char d) { return (d >= '0' && d <= '9') || (d >= 'a' && d <= 'f') || (d >= 'A' && d <= 'F'); };
    if (c == 'v') return replace(2, "\\x0b");
    if (c == 'u') {
      if (in_.size() < at_ + 6) fail("\\u needs four digits");
      for (std::size_t i = 2; i < 6; ++i)
        if (!hex(in_[at_ + i])) fail("\\u needs four digits");
      return replace(6, "\\x{" + std::string(in_.substr(at_ + 2, 4)) + "}");
    }
    bool const letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (letter && c != 'n' && c != 'r' && c != 't' && c != 'f' && c != 'a' && c != 'e' && c != 'x') fail(std::string("unsupported escape \\") + c);
    if (!letter && static_cast<unsigned char>(c) >= 128) return void(++at_);  // an escaped code point is itself
    replace(2, std::string(in_.substr(at_, 2)));
  }

  void set() {
    take();
    if (looking_at("^")) take();
    if (looking_at("]")) replace(1, "\\]");
    while (!looking_at("]")) {
      if (at_ >= in_.size()) fail("'[' without ']'");
      if (looking_at("&&")) fail("set intersection is not supported");
      if (looking_at("[:")) {
        std::size_t const close = in_.find(":]", at_);
        if (close == in_.npos) fail("'[:' without ':]'");
        replace(close + 2 - at_, std::string(in_.substr(at_, close + 2 - at_)));
      } else if (looking_at("[")) {
        fail("a set within a set is not supported");
      } else if (looking_at("\\")) {
        set_escape();
      } else {
        take();
      }
    }
    take();
  }

  void set_escape() {
    switch (in_.size() > at_ + 1 ? in_[at_ + 1] : '\0') {
      case 's': return replace(2, spaces());
      case 'S': return replace(2, not_spaces());
      case 'w': return replace(2, words());
      case 'd': return replace(2, property("Nd"));
      case 'h': return replace(2, "0-9a-fA-F");
      case 'W': case 'D': case 'H': fail("a negated class within a set is not supported");
      case 'p': case 'P': {
        std::size_t const begin = at_;
        bool negated = false;
        std::string const members = named(negated);
        if (negated) out_ += in_.substr(begin, at_ - begin);  // only for code points newer than PCRE2's does it differ
        else out_ += members;
        return;
      }
      case 'b': return replace(2, "\\x08");
      default: return character();
    }
  }

  void replace(std::size_t consumed, std::string const& with) {
    at_ += consumed;
    out_ += with;
  }

  /// Reads \p{Name}, \p{^Name} or \P{Name}; gives what the name means as members of a set.
  std::string named(bool& negated) {
    negated = in_[at_ + 1] == 'P';
    std::size_t const close = in_.find('}', at_);
    if (in_.size() < at_ + 4 || in_[at_ + 2] != '{' || close == in_.npos || close - at_ > 64) fail("unsupported form of \\p");
    std::string name(in_.substr(at_ + 3, close - at_ - 3));
    at_ = close + 1;
    if (name.starts_with("^")) {
      negated = !negated;
      name.erase(0, 1);
    }
    return property(name);
  }

  static std::string spaces() { return "\\x09-\\x0d\\x20\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}"; }
  static std::string not_spaces() {
    return "\\x00-\\x08\\x0e-\\x1f\\x21-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}\\x{202a}-\\x{202e}"
           "\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}";
  }
  static std::string words() { return ranges([](unicode_record const& r) { return (r.flags & onig_word) != 0; }); }

  static std::string property(std::string const& name) {
    std::string out = "\\p{" + name + "}";
    if (name.empty() || name.size() > 2) return out;
    return out + ranges([&](unicode_record const& r) {
             return (r.flags & recent) != 0 && category_names.substr(r.category * 3u, name.size()) == name;
           });
  }
  template <class Predicate> static std::string ranges(Predicate&& inside) {
    auto const& u = unicode::get();
    std::string out;
    auto const hex = [&out](char32_t c) {
      char text[16];
      std::snprintf(text, sizeof text, "\\x{%x}", unsigned(c));
      out += text;
    };
    for (char32_t c = 0; c < 0x110000; ++c) {
      if (c >= 0x40000 && c < 0xE0000) c = 0xE0000;  // planes 4 to 13 are not assigned
      if (c >= 0xE0200) break;                       // nor is what is behind the variation selectors
      if (!inside(u[c])) continue;
      char32_t end = c + 1;
      while (end < 0x110000 && inside(u[end])) ++end;
      hex(c);
      if (end - c > 1) out += '-', hex(end - 1);
      c = end;
    }
    return out;
  }

  std::string_view in_;
  std::size_t at_ = 0, atom_ = 0;
  std::string out_;
  std::vector<std::size_t> open_;
};

}  // namespace verbatim::detail
