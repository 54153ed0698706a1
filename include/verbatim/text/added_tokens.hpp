// Added tokens: strings that are looked for before everything else, the leftmost first and of those the longest. Plain ones
// match the raw text, `normalized` ones the normalised text. A match may take the spaces around it (lstrip, rstrip) or be
// refused within a word (single_word). Search time: one table look-up a byte, plus the length of what begins like a token.
#pragma once
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/token.hpp"
#include "verbatim/text/unicode.hpp"
#include "verbatim/text/utf8.hpp"

namespace verbatim::detail {

struct added_token {
  token id = -1;
  std::string content;
  bool special = false, normalized = false, lstrip = false, rstrip = false, single_word = false;
  std::string shown{};   ///< what decoders see: the content, normalised for a normalized token
};

/// Finds the tokens of one of the two kinds.
class token_finder {
 public:
  token_finder() = default;
  explicit token_finder(std::vector<added_token> tokens) : tokens_(std::move(tokens)) {
    std::sort(tokens_.begin(), tokens_.end(), [](auto const& a, auto const& b) { return a.shown < b.shown; });
    for (std::size_t i = tokens_.size(); i-- > 0;) {
      auto const b = static_cast<unsigned char>(tokens_[i].shown[0]);
      if (first_[b].end == 0) first_[b].end = std::uint32_t(i + 1);
      first_[b].begin = std::uint32_t(i);
    }
  }

  bool empty() const noexcept { return tokens_.empty(); }

  /// Cuts `text` up: calls piece(begin, end) for what lies between tokens (never empty) and found(token) for each token.
  template <class Piece, class Found> void each(std::string_view text, Piece&& piece, Found&& found) const {
    std::size_t done = 0;
    for (std::size_t at = 0; !tokens_.empty() && at < text.size();) {
      if (first_[static_cast<unsigned char>(text[at])].end == 0) {
        ++at;
        continue;
      }
      added_token const* const hit = longest(text, at);
      if (hit == nullptr) {
        ++at;
        continue;
      }
      std::size_t begin = at, end = at + hit->shown.size();
      at = end;
      if (hit->single_word && (word_before(text, begin) || word_behind(text, end))) continue;
      if (hit->lstrip) begin = std::max(done, spaces_before(text, begin, done));
      if (hit->rstrip) end = spaces_behind(text, end);
      if (done < begin) piece(done, begin);
      found(*hit);
      done = end;
    }
    if (done < text.size()) piece(done, text.size());
  }

 private:
  struct range {
    std::uint32_t begin = 0, end = 0;
  };
  added_token const* longest(std::string_view text, std::size_t at) const {
    range r = first_[static_cast<unsigned char>(text[at])];
    added_token const* best = nullptr;
    for (std::size_t depth = 1;; ++depth) {  // tokens [begin, end) agree with the text on `depth` bytes
      if (tokens_[r.begin].shown.size() == depth) {
        best = &tokens_[r.begin];
        if (++r.begin == r.end) return best;
      }
      if (at + depth == text.size()) return best;
      auto const b = static_cast<unsigned char>(text[at + depth]);
      auto const from = tokens_.begin() + r.begin, to = tokens_.begin() + r.end;
      auto const key = [depth](added_token const& t) { return static_cast<unsigned char>(t.shown[depth]); };
      auto const low = std::partition_point(from, to, [&](auto const& t) { return key(t) < b; });
      auto const high = std::partition_point(low, to, [&](auto const& t) { return key(t) == b; });
      if (low == high) return best;
      r = {std::uint32_t(low - tokens_.begin()), std::uint32_t(high - tokens_.begin())};
    }
  }
  static bool is_word(char const* p) { return unicode::get().has(utf8_next(p), word); }
  static bool word_before(std::string_view text, std::size_t at) { return at > 0 && is_word(utf8_before(text.data() + at)); }
  static bool word_behind(std::string_view text, std::size_t at) { return at < text.size() && is_word(text.data() + at); }
  static std::size_t spaces_before(std::string_view text, std::size_t at, std::size_t least) {
    while (at > least) {
      char const *p = utf8_before(text.data() + at), *read = p;
      if (!unicode::get().white_space(utf8_next(read))) break;
      at = std::size_t(p - text.data());
    }
    return at;
  }
  static std::size_t spaces_behind(std::string_view text, std::size_t at) {
    while (at < text.size()) {
      char const* p = text.data() + at;
      if (!unicode::get().white_space(utf8_next(p))) break;
      at = std::size_t(p - text.data());
    }
    return at;
  }

  std::vector<added_token> tokens_;   // sorted by what is looked for, no two the same
  std::array<range, 256> first_{};    // those that begin with a byte
};

}  // namespace verbatim::detail
