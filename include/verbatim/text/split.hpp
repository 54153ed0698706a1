// Cutting text into pieces: what matches, and what becomes of matches and of the text between them.
// A behaviour works on the sequence of (range, is it a match) that covers the text. Linear time.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/text/component.hpp"
#include "verbatim/text/pattern.hpp"

namespace verbatim::detail {

enum class behaviour : std::uint8_t { removed, isolated, merged_with_previous, merged_with_next, contiguous };

inline behaviour behaviour_of(component const& c, char const* otherwise) {
  std::string const name = c.text_or("behavior", otherwise);
  constexpr std::pair<char const*, behaviour> known[] = {{"Removed", behaviour::removed}, {"Isolated", behaviour::isolated},
      {"MergedWithPrevious", behaviour::merged_with_previous}, {"MergedWithNext", behaviour::merged_with_next}, {"Contiguous", behaviour::contiguous}};
  for (auto const& [text, b] : known)
    if (name == text) return b;
  c.fail("\"behavior\": Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous expected, \"" + name.substr(0, 40) + "\" found");
}

/// One kind of cut.
struct cut {
  using predicate = bool (*)(char32_t, cut const&, unicode const&);
  std::vector<pattern> what{};      ///< one, or none when a predicate decides
  predicate of = nullptr;           ///< a match is one code point for which this holds
  bool runs = false;                ///< a match is a run of words or a run of neither words nor spaces (\w+|[^\w\s]+)
  behaviour then = behaviour::isolated;
  bool invert = false;
  char32_t character = 0;           ///< for predicates that compare

  /// Calls visit(begin, end) for each piece that remains of `text`.
  template <class Visit> void pieces(std::string_view text, Visit&& visit) const {
    struct range {
      std::size_t begin, end;
      bool match;
    };
    std::vector<range> found;
    std::size_t last = 0;
    auto const add = [&](match m) {
      if (last < m.begin) found.push_back({last, m.begin, invert});
      found.push_back({m.begin, m.end, !invert});
      last = m.end;
    };
    matches(text, add);
    if (last < text.size()) found.push_back({last, text.size(), invert});
    merge(found);
    for (auto const& r : found)
      if (r.begin < r.end && !(r.match && then == behaviour::removed)) visit(r.begin, r.end);
  }

 private:
  template <class Add> void matches(std::string_view text, Add&& add) const {
    if (!what.empty()) return what.front().each(text, add);
    auto const& u = unicode::get();
    char const* const begin = text.data();
    auto const kind = [&u](char32_t c) { return u.white_space(c) ? 0 : u.has(c, word) ? 1 : 2; };
    for (char const *p = begin, *end = begin + text.size(); p < end;) {
      char const* const start = p;
      char32_t const c = utf8_next(p);
      if (runs) {
        if (kind(c) == 0) continue;
        for (char const* next = p; p < end && kind(utf8_next(next)) == kind(c);) p = next;
      } else if (!of(c, *this, u)) {
        continue;
      }
      add(match{std::size_t(start - begin), std::size_t(p - begin)});
    }
  }

  template <class Range> void merge(std::vector<Range>& found) const {
    if (then == behaviour::removed || then == behaviour::isolated) return;
    std::vector<Range> out;
    bool const backwards = then == behaviour::merged_with_next;
    bool previous = false;
    for (std::size_t i = 0; i < found.size(); ++i) {
      Range const& r = found[backwards ? found.size() - 1 - i : i];
      bool const joins = !out.empty() && (then == behaviour::contiguous ? r.match == previous : r.match && !previous);
      if (!joins) out.push_back(r);
      else if (backwards) out.back().begin = r.begin;
      else out.back().end = r.end;
      previous = r.match;
    }
    if (backwards) std::reverse(out.begin(), out.end());
    found = std::move(out);
  }
};

}  // namespace verbatim::detail
