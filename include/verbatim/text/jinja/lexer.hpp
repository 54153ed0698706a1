// Template source to tokens, as jinja2's lexer with trim_blocks and lstrip_blocks: `{%- -%}`, `{%+`, `{# #}`, raw
// blocks, brace balancing inside tags. One trailing newline is dropped and line ends become "\n", as in jinja2.
// Linear time. Throws error("template", 1) that names the line.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/jinja/casing.hpp"
#include "verbatim/text/jinja/limits.hpp"

namespace verbatim::jinja {

[[noreturn]] inline void syntax_error(int line, std::string_view message) {
  throw error("template", 1, "line " + std::to_string(line) + ": " + std::string(message));
}

enum class token_kind : std::uint8_t { data, variable_begin, variable_end, block_begin, block_end, name, integer, real, string, op, end };

struct token {
  token_kind kind;
  int line;
  std::string text;                                // of strings: with escapes resolved
  std::int64_t integer = 0;
  double real = 0;
};

inline std::string normalize_newlines(std::string_view s) {
  std::string out;
  out.reserve(s.size());
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] != '\r') {
      out += s[i];
    } else {
      out += '\n';
      if (i + 1 < s.size() && s[i + 1] == '\n') ++i;
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class lexer {
 public:
  explicit lexer(std::string source) : s_(std::move(source)) {}

  std::vector<token> run() {
    while (at_ < s_.size()) root();
    put(token_kind::end, "");
    return std::move(out_);
  }

 private:
  bool starts(std::string_view what, std::size_t at) const { return s_.compare(at, what.size(), what) == 0; }
  bool starts(std::string_view what) const { return starts(what, at_); }
  void advance(std::size_t to) {
    for (; at_ < to; ++at_) line_ += s_[at_] == '\n';
  }
  void skip_space() {
    while (at_ < s_.size() && is_space(point_at(s_, at_))) advance(at_ + width_at(s_, at_));
  }
  std::size_t after_space(std::size_t at) const {
    while (at < s_.size() && is_space(point_at(s_, at))) at += width_at(s_, at);
    return at;
  }
  void put(token_kind k, std::string text) { out_.push_back({k, line_, std::move(text), 0, 0}); }

  /// Text up to a tag that begins at `tag` with whitespace control `sign`, stripped as the sign asks.
  void text(std::size_t tag, char sign, bool variable) {
    std::string_view t = std::string_view(s_).substr(at_, tag - at_);
    if (sign == '-') {
      t = strip_right(t);
    } else if (sign != '+' && !variable) {
      std::size_t line = t.rfind('\n') + 1;        // npos + 1 == 0
      if ((line > 0 || at_ == 0 || s_[at_ - 1] == '\n') && after_only_space(t, line)) t = t.substr(0, line);
    }
    if (!t.empty()) put(token_kind::data, std::string(t));
    advance(tag);
  }
  static bool after_only_space(std::string_view t, std::size_t at) {
    while (at < t.size() && is_space(point_at(t, at))) at += width_at(t, at);
    return at >= t.size();
  }

  void root() {
    std::size_t tag = at_;
    for (;; ++tag) {
      tag = s_.find('{', tag);
      if (tag == s_.npos || tag + 1 >= s_.size()) break;
      if (s_[tag + 1] == '%' || s_[tag + 1] == '{' || s_[tag + 1] == '#') break;
    }
    if (tag == s_.npos || tag + 1 >= s_.size()) {
      put(token_kind::data, s_.substr(at_));
      return advance(s_.size());
    }
    char type = s_[tag + 1], sign = tag + 2 < s_.size() && (s_[tag + 2] == '-' || s_[tag + 2] == '+') ? s_[tag + 2] : 0;
    text(tag, sign, type == '{');
    std::size_t inside = tag + 2 + (sign != 0);
    if (type == '%' && raw_tag(inside)) return raw();
    if (type == '#') return comment(inside);
    put(type == '{' ? token_kind::variable_begin : token_kind::block_begin, "");
    advance(inside);
    if (type == '{') tag_body<true>();
    else tag_body<false>();
  }

  /// Ends a block tag at `%}` (or `#}`): `-` eats the white space that follows, nothing but `+` eats one newline.
  void close(char sign) {
    advance(at_ + 2);
    if (sign == '-') return skip_space();
    if (sign != '+' && at_ < s_.size() && s_[at_] == '\n') advance(at_ + 1);
  }

  void comment(std::size_t inside) {
    std::size_t end = s_.find("#}", inside);
    if (end == s_.npos) syntax_error(line_, "Missing end of comment tag");
    char sign = end > inside && (s_[end - 1] == '-' || s_[end - 1] == '+') ? s_[end - 1] : 0;
    advance(end);
    close(sign);
  }

  /// Whether `raw` and the end of the tag come at `at`; then moves behind the tag.
  bool raw_tag(std::size_t at) {
    at = after_space(at);
    if (!starts("raw", at)) return false;
    at = after_space(at + 3);
    if (starts("-%}", at)) {
      advance(after_space(at + 3));
      return true;
    }
    if (!starts("%}", at)) return false;
    advance(at + 2);
    return true;
  }

  void raw() {
    for (std::size_t tag = s_.find("{%", at_); tag != s_.npos; tag = s_.find("{%", tag + 1)) {
      std::size_t at = tag + 2;
      char sign = at < s_.size() && (s_[at] == '-' || s_[at] == '+') ? s_[at] : 0;
      at = after_space(at + (sign != 0));
      if (!starts("endraw", at)) continue;
      at = after_space(at + 6);
      char last = at < s_.size() && (s_[at] == '-' || s_[at] == '+') ? s_[at] : 0;
      if (!starts("%}", at + (last != 0))) continue;
      text(tag, sign, false);
      advance(at + (last != 0));
      return close(last);
    }
    syntax_error(line_, "Missing end of raw directive");
  }

  template <bool Variable>
  bool tag_end() {
    if (!open_.empty()) return false;
    std::size_t sign = starts("-") || (!Variable && starts("+"));
    if (!starts(Variable ? "}}" : "%}", at_ + sign)) return false;
    put(Variable ? token_kind::variable_end : token_kind::block_end, "");
    char c = sign ? s_[at_] : 0;
    advance(at_ + sign);
    if (!Variable) {
      close(c);
    } else {
      advance(at_ + 2);
      if (c == '-') skip_space();
    }
    return true;
  }

  template <bool Variable>
  void tag_body() {
    open_.clear();
    for (;;) {
      skip_space();
      if (at_ >= s_.size()) return;                // the parser complains about the missing end
      if (tag_end<Variable>()) return;
      char32_t c = point_at(s_, at_);
      if (c >= '0' && c <= '9') number();
      else if (c == '_' || is_alnum(c)) name();
      else if (c == '\'' || c == '"') string();
      else symbol();
    }
  }

  void name() {
    std::size_t end = at_;
    while (end < s_.size() && (s_[end] == '_' || is_alnum(point_at(s_, end)))) end += width_at(s_, end);
    put(token_kind::name, s_.substr(at_, end - at_));
    advance(end);
  }

  void symbol() {
    constexpr std::string_view two[] = {"//", "**", "==", "!=", ">=", "<="};
    std::size_t n = 1;
    for (auto op : two)
      if (starts(op)) n = 2;
    char c = s_[at_];
    if (n == 1 && std::string_view("+-/*%~[](){}><=.:|,;").find(c) == std::string_view::npos)
      syntax_error(line_, "unexpected char in a tag");
    if (c == '(' || c == '[' || c == '{') open_ += c == '(' ? ')' : c == '[' ? ']' : '}';
    if (c == ')' || c == ']' || c == '}') {
      if (open_.empty()) syntax_error(line_, std::string("unexpected '") + c + "'");
      if (open_.back() != c) syntax_error(line_, std::string("unexpected '") + c + "', expected '" + open_.back() + "'");
      open_.pop_back();
    }
    put(token_kind::op, s_.substr(at_, n));
    advance(at_ + n);
  }

  /// End of digits with single underscores between them, from `at`.
  template <class Digit>
  std::size_t digits(std::size_t at, Digit digit) const {
    while (at < s_.size() && (digit(s_[at]) || (s_[at] == '_' && at + 1 < s_.size() && digit(s_[at + 1])))) ++at;
    return at;
  }
  static bool decimal(char c) { return c >= '0' && c <= '9'; }

  void number() {
    std::size_t end = digits(at_, decimal), whole = end;
    if (at_ == 0 || s_[at_ - 1] != '.') {
      bool fraction = end + 1 < s_.size() && s_[end] == '.' && decimal(s_[end + 1]);
      if (fraction) end = digits(end + 1, decimal);
      std::size_t e = end + 1;
      if (end < s_.size() && (s_[end] | 32) == 'e') {
        if (e < s_.size() && (s_[e] == '+' || s_[e] == '-')) ++e;
        if (e < s_.size() && decimal(s_[e])) end = digits(e, decimal);
      }
    }
    if (end != whole) {
      put(token_kind::real, "");
      out_.back().real = std::strtod(without_underscores(end).c_str(), nullptr);
      return advance(end);
    }
    integer(whole);
  }
  std::string without_underscores(std::size_t end) const {
    std::string t;
    for (std::size_t i = at_; i < end; ++i)
      if (s_[i] != '_') t += s_[i];
    return t;
  }
  void integer(std::size_t end) {
    int base = 10;
    if (s_[at_] == '0') {
      char x = at_ + 1 < s_.size() ? char(s_[at_ + 1] | 32) : ' ';
      int wanted = x == 'x' ? 16 : x == 'o' ? 8 : x == 'b' ? 2 : 10;
      auto digit = [&](char c) { return decimal(c) ? c - '0' < wanted : wanted == 16 && (c | 32) >= 'a' && (c | 32) <= 'f'; };
      std::size_t last = wanted == 10 ? at_ : digits(at_ + 2, digit);
      if (wanted != 10 && last > at_ + 2) {
        base = wanted;
        end = last;
      } else {
        end = digits(at_, [](char c) { return c == '0'; });
      }
    }
    std::string t = without_underscores(end);
    std::int64_t n = 0;
    for (std::size_t i = base == 10 ? 0 : 2; i < t.size(); ++i) {
      int d = decimal(t[i]) ? t[i] - '0' : (t[i] | 32) - 'a' + 10;
      if (__builtin_mul_overflow(n, std::int64_t(base), &n) || __builtin_add_overflow(n, std::int64_t(d), &n))
        syntax_error(line_, "an integer beyond 64 bits");
    }
    put(token_kind::integer, "");
    out_.back().integer = n;
    advance(end);
  }

  void string();

  std::string s_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::string open_;                               // the closing brackets awaited
  std::vector<token> out_;
};

/// A string literal; escapes as in Python, except named characters (`\N{…}`), which are refused.
inline void lexer::string() {
  char mark = s_[at_];
  int const line = line_;
  std::string out;
  std::size_t at = at_ + 1;
  auto number_in = [&](std::size_t most, int base) {
    char32_t c = 0;
    std::size_t n = 0;
    for (; n < most && at < s_.size(); ++n, ++at) {
      char x = char(s_[at] | 32);
      int d = decimal(s_[at]) ? s_[at] - '0' : x >= 'a' && x <= 'f' ? x - 'a' + 10 : 99;
      if (d >= base) break;
      c = c * char32_t(base) + char32_t(d);
    }
    if (base == 16 && n != most) syntax_error(line, "truncated escape in a string");
    if (c > 0x10FFFF) syntax_error(line, "illegal Unicode character in a string");
    append_point(out, c);
  };
  for (; at < s_.size() && s_[at] != mark;) {
    if (s_[at] != '\\') {
      out += s_[at++];
      continue;
    }
    if (++at >= s_.size()) break;
    constexpr std::string_view letters = "\\'\"abfnrtv", bytes = "\\'\"\a\b\f\n\r\t\v";
    char c = s_[at++];
    if (auto i = letters.find(c); i != letters.npos) out += bytes[i];
    else if (c == 'x') number_in(2, 16);
    else if (c == 'u') number_in(4, 16);
    else if (c == 'U') number_in(8, 16);
    else if (c >= '0' && c <= '7') --at, number_in(3, 8);
    else if (c == 'N') syntax_error(line, "named characters are not supported");
    else if (c != '\n') (out += '\\') += c;
  }
  if (at >= s_.size()) syntax_error(line, "unexpected char in a tag: a string does not end");
  put(token_kind::string, std::move(out));
  advance(at + 1);
}

}  // namespace verbatim::jinja
