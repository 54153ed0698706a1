// The pre-tokenizer of tokenizer.json: Split, ByteLevel, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit,
// CharDelimiterSplit, BertPreTokenizer, Sequence; others are refused by name. A ByteLevel at the end leaves words as bytes,
// which byte-level BPE takes as they are. One scanner followed by ByteLevel, the usual case, runs without any buffer.
// Linear time. Immutable, thread-safe.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/byte_alphabet.hpp"
#include "verbatim/text/split.hpp"

namespace verbatim::detail {

class pretokenizer {
 public:
  pretokenizer() = default;
  explicit pretokenizer(component const& c) {
    add(c);
    bytes_ = !steps_.empty() && steps_.back().kind == kind::byte_level;
    if (!bytes_) return;
    auto& last = steps_.back();
    if (last.prepend != when::never) return;
    if (steps_.size() == 1 && !last.cuts.empty()) fast_ = last.cuts.front().what.front().scanner();
    if (steps_.size() == 2 && last.cuts.empty() && steps_[0].kind == kind::cuts && steps_[0].cuts.size() == 1) {
      cut const& only = steps_[0].cuts[0];
      bool const keeps_matches = only.then == behaviour::removed ? only.invert : only.then != behaviour::contiguous;
      if (!only.what.empty() && keeps_matches) fast_ = only.what.front().scanner();
    }
  }

  /// Whether words are given as the bytes of the text, for a byte-level vocabulary.
  bool bytes() const noexcept { return bytes_; }

  /// Calls visit(word) for each word. `first`: the text is where the whole input begins. Words live as long as the call.
  template <class Visit> void each(std::string_view text, bool first, Visit&& visit) const {
    if (fast_ != nullptr) {
      auto const& u = unicode::get();
      for (char const *p = text.data(), *end = p + text.size(); p < end;) {
        char const* const next = fast_(p, end, u);
        visit(std::string_view(p, std::size_t(next - p)));
        p = next;
      }
      return;
    }
    if (steps_.empty()) return visit(text);
    pieces now{std::string(text), {{0, text.size(), first}}};
    for (std::size_t i = 0; i < steps_.size(); ++i) run(steps_[i], now, i + 1 == steps_.size());
    for (auto const& p : now.parts) visit(now.of(p));
  }

 private:
  enum class kind { cuts, byte_level, metaspace };
  enum class when { never, first, always };
  struct step {
    pretokenizer::kind kind = kind::cuts;
    std::vector<cut> cuts{};        // one after the other
    when prepend = when::never;     // of the marker, where the piece does not begin with it
    std::string marker{};           // metaspace: stands for a space
  };
  struct part {
    std::size_t begin, end;
    bool first;
  };
  struct pieces {
    std::string text;
    std::vector<part> parts;
    std::string_view of(part const& p) const { return std::string_view(text).substr(p.begin, p.end - p.begin); }
  };

  static void run(step const& s, pieces& now, bool last) {
    if (s.kind == kind::metaspace || s.prepend != when::never) rewrite(s, now);
    for (cut const& c : s.cuts) divide(c, now);
    if (s.kind == kind::byte_level && !last) spell_bytes(now);
  }
  static void divide(cut const& c, pieces& now) {
    std::vector<part> parts;
    for (auto const& p : now.parts)
      c.pieces(now.of(p), [&](std::size_t begin, std::size_t end) { parts.push_back({p.begin + begin, p.begin + end, p.first && begin == 0}); });
    now.parts = std::move(parts);
  }
  static void rewrite(step const& s, pieces& now) {
    std::string text;
    std::vector<part> parts;
    for (auto const& p : now.parts) {
      std::size_t const begin = text.size();
      std::string_view const piece = now.of(p);
      bool const marked = piece.starts_with(s.marker) || (s.kind == kind::metaspace && piece.starts_with(' '));
      if (!marked && (s.prepend == when::always || (s.prepend == when::first && p.first))) text += s.marker;
      if (s.kind == kind::metaspace) {
        for (char c : piece)
          if (c == ' ') text += s.marker;
          else text += c;
      } else {
        text += piece;
      }
      parts.push_back({begin, text.size(), p.first});
    }
    now = {std::move(text), std::move(parts)};
  }
  static void spell_bytes(pieces& now) {
    std::string text;
    for (auto& p : now.parts) {
      std::size_t const begin = text.size();
      append_byte_alphabet(now.of(p), text);
      p = {begin, text.size(), p.first};
    }
    now.text = std::move(text);
  }

  void add(component const& c) {
    if (steps_.size() > 256) c.fail("at most 256 pre-tokenizers expected");
    std::string const type = c.type();
    if (type == "Sequence") return c.at("pretokenizers").each([this](component const& inner) { add(inner); });
    step s;
    if (type == "ByteLevel") byte_level(c, s);
    else if (type == "Metaspace") metaspace(c, s);
    else s.cuts = cuts_of(c, type);
    steps_.push_back(std::move(s));
  }
  static void byte_level(component const& c, step& s) {
    s.kind = kind::byte_level;
    s.marker = " ";
    if (c.flag("add_prefix_space", true)) s.prepend = when::always;
    if (!c.flag("use_regex", true)) return;
    cut words;
    words.what.push_back(pattern::of_regex(R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"));
    s.cuts.push_back(std::move(words));
  }
  static void metaspace(component const& c, step& s) {
    s.kind = kind::metaspace;
    utf8_append(s.marker, one_character(c, "replacement", "\xE2\x96\x81"));
    std::string const scheme = c.text_or("prepend_scheme", c.flag("add_prefix_space", true) ? "always" : "never");
    if (scheme != "always" && scheme != "first" && scheme != "never")
      c.fail("\"prepend_scheme\": always, first or never expected, \"" + scheme.substr(0, 40) + "\" found");
    s.prepend = scheme == "always" ? when::always : scheme == "first" ? when::first : when::never;
    if (!c.flag("split", true)) return;
    cut at;
    at.character = one_character(c, "replacement", "\xE2\x96\x81");
    at.of = [](char32_t x, cut const& self, unicode const&) { return x == self.character; };
    at.then = behaviour::merged_with_next;
    s.cuts.push_back(std::move(at));
  }
  static std::vector<cut> cuts_of(component const& c, std::string const& type) {
    cut only;
    auto const spaces = [](char32_t x, cut const&, unicode const& u) { return u.white_space(x); };
    auto const marks = [](char32_t x, cut const&, unicode const& u) { return u.has(x, punctuation); };
    if (type == "Split") {
      only.what.emplace_back(c.at("pattern"));
      only.then = behaviour_of(c, "");
      only.invert = c.flag("invert", false);
    } else if (type == "Digits") {
      only.of = [](char32_t x, cut const&, unicode const& u) { return u.has(x, numeric); };
      only.then = c.flag("individual_digits", false) ? behaviour::isolated : behaviour::contiguous;
    } else if (type == "Punctuation") {
      only.of = marks;
      only.then = behaviour_of(c, "Isolated");
    } else if (type == "Whitespace") {
      only.runs = only.invert = true;
      only.then = behaviour::removed;
    } else if (type == "WhitespaceSplit" || type == "BertPreTokenizer") {
      only.of = spaces;
      only.then = behaviour::removed;
    } else if (type == "CharDelimiterSplit") {
      only.character = one_character(c, "delimiter", nullptr);
      only.of = [](char32_t x, cut const& self, unicode const&) { return x == self.character; };
      only.then = behaviour::removed;
    } else {
      c.unsupported("pre-tokenizer \"" + type.substr(0, 40) + "\" is not supported");
    }
    std::vector<cut> cuts{std::move(only)};
    if (type == "BertPreTokenizer") {
      cuts.emplace_back();
      cuts.back().of = marks;
    }
    return cuts;
  }

  std::vector<step> steps_;
  scanner fast_ = nullptr;
  bool bytes_ = false;
};

}  // namespace verbatim::detail
