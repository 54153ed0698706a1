// Hand-written scanners for the pre-tokenizer patterns that nearly all byte-level models use, chosen by the exact pattern
// string. Each gives the end of the one match that begins at a position; the matches of these patterns cover any text, so
// there are no gaps. Linear time: a scanner looks ahead only over what it or the next call consumes.
// Tests prove them equal to PCRE2 on random text.
#pragma once
#include <cstddef>
#include <string_view>

#include "verbatim/text/unicode.hpp"
#include "verbatim/text/utf8.hpp"

namespace verbatim::detail {

/// The end of the match that begins at `p`; p < end.
using scanner = char const* (*)(char const* p, char const* end, unicode const& u);

inline std::uint8_t classes_next(char const*& p, unicode const& u) noexcept {
  auto const c = static_cast<unsigned char>(*p);
  return c < 128 ? (++p, u.ascii_classes(c)) : u.classes(utf8_next(p));
}

/// Behind all code points from `p` that have a class of `some` (Accept) or none of it.
template <bool Accept> char const* skip_while(char const* p, char const* end, int some, unicode const& u) noexcept {
  while (p < end) {
    char const* next = p;
    if (((classes_next(next, u) & some) != 0) != Accept) break;
    p = next;
  }
  return p;
}

/// (?i:'s|'t|'re|'ve|'m|'ll|'d) at p, or p. U+017F folds to s.
inline char const* contraction(char const* p, char const* end, bool any_case) noexcept {
  if (end - p < 2 || *p != '\'') return p;
  auto const lower = [any_case](char c) { return any_case && c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
  char const a = lower(p[1]), b = end - p > 2 ? lower(p[2]) : '\0';
  if (a == 's' || a == 't' || a == 'm' || a == 'd') return p + 2;
  if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return p + 3;
  if (any_case && p[1] == '\xC5' && b == '\xBF') return p + 3;
  return p;
}

/// \s*[\r\n]+|\s+(?!\S)|\s+ at a space; without `Lines` only the last two.
template <bool Lines> char const* scan_spaces(char const* p, char const* end, unicode const& u) noexcept {
  char const *q = p, *last = p, *newline = nullptr;
  while (q < end) {
    char const* next = q;
    int const c = classes_next(next, u);
    if ((c & is_space) == 0) break;
    if (Lines && (c & is_newline) != 0) newline = next;
    last = q;
    q = next;
  }
  if (newline != nullptr) return newline;
  return q == end || last == p ? q : last;  // one space is left for the word behind, if there is more than one
}

inline char const* scan_digits(char const* p, char const* end, int most, unicode const& u) noexcept {
  for (int i = 0; i < most && p < end; ++i) {
    char const* next = p;
    if ((classes_next(next, u) & is_number) == 0) break;
    p = next;
  }
  return p;
}

/// ` ?[^\s\p{L}\p{N}]+` and what may follow it, or nullptr; `c`: the classes of *p, `next`: behind it.
inline char const* scan_symbols(char const* p, char const* next, int c, char const* end, int words, unicode const& u) noexcept {
  int const not_symbol = words | is_number | is_space;
  char const* start = p;
  if (*p == ' ') {
    if (next == end) return nullptr;
    char const* ahead = next;
    if ((classes_next(ahead, u) & not_symbol) != 0) return nullptr;
    start = next;
  } else if ((c & not_symbol) != 0) {
    return nullptr;
  }
  return skip_while<false>(start, end, not_symbol, u);
}

/// The GPT-2 pattern.
inline char const* scan_gpt2(char const* p, char const* end, unicode const& u) {
  if (char const* q = contraction(p, end, false); q != p) return q;
  char const* next = p;
  int const c = classes_next(next, u);
  char const* start = p;
  int ahead = c;
  if (*p == ' ' && next < end) {
    char const* q = next;
    ahead = classes_next(q, u);
    start = next;
  }
  if ((ahead & is_letter) != 0) return skip_while<true>(start, end, is_letter, u);
  if ((ahead & is_number) != 0) return skip_while<true>(start, end, is_number, u);
  if ((ahead & is_space) == 0) return skip_while<false>(start, end, is_letter | is_number | is_space, u);
  return scan_spaces<false>(p, end, u);
}

/// The pattern of Llama 3, Qwen 2 and 3, GLM: at most Digits digits in a piece; Words: what counts as part of a word.
template <int Digits, int Words> char const* scan_words(char const* p, char const* end, unicode const& u) {
  if (char const* q = contraction(p, end, true); q != p) return q;
  char const* next = p;
  int const c = classes_next(next, u);
  if ((c & Words) != 0) return skip_while<true>(next, end, Words, u);
  if ((c & is_number) != 0) return scan_digits(next, end, Digits - 1, u);
  if ((c & is_newline) == 0 && next < end) {  // one leading character that is no letter, digit or line end
    char const* q = next;
    if ((classes_next(q, u) & Words) != 0) return skip_while<true>(q, end, Words, u);
  }
  if (char const* q = scan_symbols(p, next, c, end, Words, u); q != nullptr) {
    while (q < end && (*q == '\r' || *q == '\n')) ++q;
    return q;
  }
  return scan_spaces<true>(p, end, u);
}

/// Words of the o200k pattern from `p` on, behind the optional leading character: lower case after upper case stays
/// together, upper case after lower case begins a new word. Gives `p` when there is none.
inline char const* scan_cased(char const* p, char const* end, unicode const& u) noexcept {
  constexpr int both = is_caseless | is_mark;
  char const *q = p, *turn = nullptr;  // turn: behind the last that can end the upper part and begin the lower
  while (q < end) {
    char const* next = q;
    int const c = classes_next(next, u);
    if ((c & (is_upper | both)) == 0) {
      if ((c & is_lower) != 0) return skip_while<true>(next, end, is_lower | both, u);
      break;
    }
    q = next;
    if ((c & both) != 0) turn = q;
  }
  return turn != nullptr ? turn : q;
}

/// The pattern of o200k, gpt-oss and Mistral's later models.
template <int Digits, bool Contractions> char const* scan_o200k(char const* p, char const* end, unicode const& u) {
  char const* next = p;
  int const c = classes_next(next, u);
  char const* word = p;
  if ((c & (is_letter | is_mark)) != 0) {  // a mark may also be the optional first character: the end is the same
    word = scan_cased(p, end, u);
  } else if ((c & (is_newline | is_number)) == 0) {
    word = scan_cased(next, end, u);
    if (word == next) word = p;
  }
  if (word != p) return Contractions ? contraction(word, end, true) : word;
  if ((c & is_number) != 0) return scan_digits(next, end, Digits - 1, u);
  if (char const* q = scan_symbols(p, next, c, end, is_letter, u); q != nullptr) {
    while (q < end && (*q == '\r' || *q == '\n' || *q == '/')) ++q;
    return q;
  }
  return scan_spaces<true>(p, end, u);
}

/// The scanner for a pattern, or nullptr.
inline scanner scanner_of(std::string_view pattern) noexcept {
  constexpr std::string_view gpt2 = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
  constexpr std::string_view head = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?)", tail = R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
  if (pattern == gpt2) return scan_gpt2;
  auto const is = [pattern, tail](std::string_view begin, std::string_view middle) {
    return pattern.size() == begin.size() + middle.size() + tail.size() && pattern.starts_with(begin) && pattern.ends_with(tail) &&
           pattern.substr(begin.size(), middle.size()) == middle;
  };
  constexpr int marked = is_letter | is_mark;
  if (is(head, R"(\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)")) return scan_words<1, is_letter>;
  if (is(head, R"(\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)")) return scan_words<3, is_letter>;
  if (is(head, R"([\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)")) return scan_words<1, marked>;
  constexpr std::string_view cased =
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)";
  constexpr std::string_view plain =
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)";
  if (is(cased, R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*)")) return scan_o200k<3, true>;
  if (is(plain, R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*)")) return scan_o200k<1, false>;
  return nullptr;
}

}  // namespace verbatim::detail
