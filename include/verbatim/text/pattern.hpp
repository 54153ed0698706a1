// What Split and Replace look for: a plain string or a regular expression, recognised ones by a scanner.
// Immutable; matching is thread-safe and linear for strings and scanners, bounded by match limits for other expressions.
#pragma once
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "verbatim/text/component.hpp"
#include "verbatim/text/regex.hpp"
#include "verbatim/text/scanners.hpp"

namespace verbatim::detail {

class pattern {
 public:
  explicit pattern(component const& c) {
    bool is_regex = false;
    std::string text = pattern_text(c, is_regex);
    if (is_regex) set_regex(text);
    else literal_ = std::move(text);
  }
  static pattern of_regex(std::string_view text) {
    pattern p;
    p.set_regex(text);
    return p;
  }

  detail::scanner scanner() const noexcept { return scanner_; }
  /// A pattern that is one plain string.
  std::optional<std::string_view> literal() const {
    if (regex_ || scanner_ != nullptr) return std::nullopt;
    return literal_;
  }

  /// Calls visit(match) for each match from left to right.
  template <class Visit> void each(std::string_view text, Visit&& visit) const {
    if (scanner_ != nullptr) {
      auto const& u = unicode::get();
      char const* const begin = text.data();
      for (char const *p = begin, *end = begin + text.size(); p < end;) {
        char const* const next = scanner_(p, end, u);
        visit(match{std::size_t(p - begin), std::size_t(next - begin)});
        p = next;
      }
    } else if (regex_) {
      regex_->each(text, visit);
    } else if (!literal_.empty()) {
      for (std::size_t at = 0; (at = text.find(literal_, at)) != text.npos; at += literal_.size()) visit(match{at, at + literal_.size()});
    }
  }

  /// How many times as long `replaced` can make a text, at most, with a replacement of `bytes`.
  double growth(std::size_t bytes) const {
    auto const plain = literal();
    if (!plain) return double(bytes) + 1;            // a match may be empty
    return plain->empty() ? 1 : std::max(1.0, double(bytes) / double(plain->size()));
  }
  /// Replacements one after the other multiply: files that use that to fill the memory are refused.
  static constexpr double most_growth = 4096;

  /// `text` with every match replaced.
  std::string replaced(std::string_view text, std::string_view with) const {
    std::string out;
    std::size_t last = 0;
    each(text, [&](match m) {
      out += text.substr(last, m.begin - last);
      out += with;
      last = m.end;
    });
    out += text.substr(last);
    return out;
  }

 private:
  pattern() = default;
  void set_regex(std::string_view text) {
    scanner_ = scanner_of(text);
    if (scanner_ == nullptr) regex_.emplace(text);
  }

  std::string literal_;
  std::optional<regex> regex_;
  detail::scanner scanner_ = nullptr;
};

}  // namespace verbatim::detail
