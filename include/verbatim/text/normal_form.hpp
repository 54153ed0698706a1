// The four Unicode normal forms. Text that is already in NFC is recognised in one pass without allocation, ASCII eight
// bytes at a time; else the text is decomposed, its marks put in canonical order (stable sort of each run, so a megabyte of
// marks costs n log n), and recomposed. The versions of the mappings are those of the reference's normaliser.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/unicode.hpp"
#include "verbatim/text/utf8.hpp"

namespace verbatim::detail {

enum class normal_form { nfc, nfd, nfkc, nfkd };

/// The number of leading bytes of valid UTF-8 that are certainly in NFC, up to and excluding the last starter before
/// something that may not be.
inline std::size_t nfc_prefix(std::string_view text, unicode const& u) noexcept {
  std::size_t starter = 0;
  int last = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (std::size_t const plain = ascii_prefix(text.substr(i)); plain != 0) {
      i += plain;
      starter = i - 1;
      last = 0;
      if (i == text.size()) break;
    }
    char const* p = text.data() + i;
    unicode_record const& r = u[utf8_next(p)];
    if ((r.flags & unsafe_in_nfc) != 0 || (r.order != 0 && r.order < last)) return starter;
    if (r.order == 0) starter = i;
    last = r.order;
    i = std::size_t(p - text.data());
  }
  return text.size();
}

inline void decompose(std::string_view text, bool compatibly, std::vector<char32_t>& out, unicode const& u) {
  for (char const *p = text.data(), *end = p + text.size(); p < end;) {
    char32_t const c = utf8_next(p);
    if (c < 0x80 || !u.has(c, compatibly ? decomposes_compatibly : decomposes)) {
      out.push_back(c);
    } else if (c >= 0xAC00 && c < 0xD7A4) {  // Hangul syllables are computed: 19 leads x 21 vowels x 28 tails
      char32_t const s = c - 0xAC00;
      out.push_back(0x1100 + s / 588);
      out.push_back(0x1161 + s % 588 / 28);
      if (s % 28 != 0) out.push_back(0x11A7 + s % 28);
    } else {
      auto const [parts, n] = compatibly ? u.compatibility(c) : u.canonical(c);
      out.insert(out.end(), parts, parts + n);
    }
  }
  auto const order = [&u](char32_t c) { return u[c].order; };
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] < 0x300 || order(out[i]) == 0) continue;
    std::size_t end = i + 1;
    while (end < out.size() && order(out[end]) != 0) ++end;
    if (end - i > 1)
      std::stable_sort(out.begin() + std::ptrdiff_t(i), out.begin() + std::ptrdiff_t(end),
                       [&](char32_t a, char32_t b) { return order(a) < order(b); });
    i = end - 1;
  }
}

inline char32_t compose_pair(char32_t a, char32_t b, unicode const& u) {
  if (a >= 0x1100 && a < 0x1113 && b >= 0x1161 && b < 0x1176) return 0xAC00 + ((a - 0x1100) * 21 + (b - 0x1161)) * 28;
  if (a >= 0xAC00 && a < 0xD7A4 && (a - 0xAC00) % 28 == 0 && b > 0x11A7 && b < 0x11C3) return a + (b - 0x11A7);
  return u.composed(a, b);
}

/// Canonical composition in place: a mark joins the last starter unless a mark of its class or higher is between.
inline void compose(std::vector<char32_t>& text, unicode const& u) {
  std::size_t out = 0, starter = text.size();
  int last = -1;  // class of what was last written behind the starter; -1: nothing is between
  for (char32_t const c : text) {
    int const order = u[c].order;
    if (starter != text.size() && last < order) {
      if (char32_t const joined = compose_pair(text[starter], c, u); joined != 0) {
        text[starter] = joined;
        continue;
      }
    }
    if (order == 0) {
      starter = out;
      last = -1;
    } else {
      last = order;
    }
    text[out++] = c;
  }
  text.resize(out);
}

/// `text` (valid UTF-8) in a normal form.
inline void normalize(std::string& text, normal_form form, unicode const& u) {
  std::size_t kept = form == normal_form::nfc ? nfc_prefix(text, u) : ascii_prefix(text);
  if (kept == text.size()) return;
  if (form != normal_form::nfc && kept > 0) --kept;  // the last ASCII character may take part
  std::vector<char32_t> points;
  points.reserve(text.size() - kept);
  decompose(std::string_view(text).substr(kept), form == normal_form::nfkc || form == normal_form::nfkd, points, u);
  if (form == normal_form::nfc || form == normal_form::nfkc) compose(points, u);
  text.resize(kept);
  for (char32_t const c : points) utf8_append(text, c);
}

}  // namespace verbatim::detail
