// The decoder of tokenizer.json: ByteLevel, ByteFallback, Fuse, Strip, Replace, Metaspace, Sequence; others are refused by
// name. It always works token by token with a small state, so that streamed text is by construction the text of all tokens
// at once. Held back: an unfinished code point (ByteLevel), the current run of byte tokens (ByteFallback: whether the run is
// text is known at its end), characters that Strip may drop. Amortised O(length of the token). Immutable, thread-safe.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/byte_alphabet.hpp"
#include "verbatim/text/decoder_state.hpp"
#include "verbatim/text/pattern.hpp"

namespace verbatim::detail {

class decoder {
  enum class kind { byte_level, byte_fallback, fuse, strip, replace, metaspace };

 public:
  using state = decoder_state;

  decoder() = default;
  explicit decoder(component const& c) {
    spaced_ = false;
    add(c);
  }

  /// The next token's string, which is not special or not to be skipped.
  void push(state& s, std::string_view text, std::string& out) const {
    if (spaced_) {  // without a decoder the strings are joined by spaces
      if (s.begun) out += ' ';
      s.begun = true;
      out += text;
      return;
    }
    s.stages.resize(stages_.size());
    feed(s, 0, text, out);
  }
  /// Whether tokens count only by their bytes: then push_bytes may be given those.
  bool only_bytes() const noexcept { return stages_.size() == 1 && stages_[0].kind == kind::byte_level; }
  void push_bytes(state& s, std::string_view bytes, std::string& out) const {
    s.stages.resize(1);
    s.stages[0].repair.push(bytes, out);
  }
  void finish(state& s, std::string& out) const {
    if (spaced_) return;
    s.stages.resize(stages_.size());
    for (std::size_t i = 0; i < stages_.size(); ++i) flush(s, i, out);
  }

  /// The bytes that one token stands for, wherever it is.
  std::string bytes(std::string_view text) const {
    std::string now(text), next;
    for (auto const& g : stages_) {
      if (g.kind == kind::byte_level && from_byte_alphabet(now, next)) now = next;
      if (g.kind == kind::byte_fallback)
        if (int const b = byte_token(now); b >= 0) return std::string(1, char(b));
      if (g.kind == kind::replace) now = g.what.front().replaced(now, g.content);
      if (g.kind == kind::metaspace) now = with_spaces(now, g.content, false);
    }
    return now;
  }

 private:
  struct stage {
    decoder::kind kind;
    bool fused = false;                 // what comes in are chunks of one text, no longer tokens
    std::string content{};              // strip: the character; replace: by what; metaspace: the marker
    std::size_t start = 0, stop = 0;    // strip
    std::vector<pattern> what{};        // replace
    bool drops_first = false;           // metaspace: the markers of the first token stand for nothing
  };

  void add(component const& c) {
    if (stages_.size() > 64) c.fail("at most 64 decoders expected");
    std::string const type = c.type();
    if (type == "Sequence") return c.at("decoders").each([this](component const& inner) { add(inner); });
    bool fused = false;
    for (auto const& g : stages_) fused |= g.kind == kind::fuse || g.kind == kind::byte_level;
    stage s{kind::fuse, fused};
    if (type == "ByteLevel") s.kind = kind::byte_level;
    else if (type == "ByteFallback") s.kind = kind::byte_fallback;
    else if (type == "Strip") strip(c, s);
    else if (type == "Replace") replace(c, s);
    else if (type == "Metaspace") metaspace(c, s);
    else if (type != "Fuse") c.unsupported("decoder \"" + type.substr(0, 40) + "\" is not supported");
    bool const needs_tokens = s.kind == kind::byte_level || s.kind == kind::byte_fallback || s.kind == kind::metaspace;
    if (fused && needs_tokens) c.unsupported("decoder \"" + type + "\" behind Fuse or ByteLevel is not supported");
    if (s.kind == kind::replace) growth_ *= s.what.front().growth(s.content.size());
    if (growth_ > pattern::most_growth) c.unsupported("replacements that make a text thousands of times as long");
    stages_.push_back(std::move(s));
  }
  static void strip(component const& c, stage& s) {
    s.kind = kind::strip;
    utf8_append(s.content, one_character(c, "content", nullptr));
    s.start = std::size_t(c.integer("start", 0, 1 << 20));
    s.stop = std::size_t(c.integer("stop", 0, 64));
  }
  static void replace(component const& c, stage& s) {
    s.kind = kind::replace;
    s.content = c.text("content");
    s.what.emplace_back(c.at("pattern"));
    auto const literal = s.what.front().literal();
    bool const one = literal && !literal->empty() && std::size_t(utf8_length(static_cast<unsigned char>((*literal)[0]))) == literal->size();
    if (s.fused && !one) c.unsupported("Replace of more than one character behind Fuse is not supported");
  }
  static void metaspace(component const& c, stage& s) {
    s.kind = kind::metaspace;
    utf8_append(s.content, one_character(c, "replacement", "\xE2\x96\x81"));
    s.drops_first = c.text_or("prepend_scheme", c.flag("add_prefix_space", true) ? "always" : "never") != "never";
  }

  /// "<0x41>" -> 0x41; -1 for what is no byte token. As in the reference, "+" is accepted as a first digit.
  static int byte_token(std::string_view t) {
    if (t.size() != 6 || !t.starts_with("<0x") || t[5] != '>') return -1;
    auto const digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
    int const high = t[3] == '+' ? 0 : digit(t[3]), low = digit(t[4]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
  }
  static std::string with_spaces(std::string_view text, std::string_view marker, bool drop) {
    std::string out;
    std::size_t last = 0;
    for (std::size_t at; (at = text.find(marker, last)) != text.npos; last = at + marker.size()) {
      out += text.substr(last, at - last);
      if (!drop) out += ' ';
    }
    return out += text.substr(last);
  }

  void feed(state& s, std::size_t i, std::string_view text, std::string& out) const {
    if (i == stages_.size()) return void(out += text);
    stage const& g = stages_[i];
    state::memory& m = s.stages[i];
    std::string made;
    switch (g.kind) {
      case kind::fuse: return feed(s, i + 1, text, out);
      case kind::byte_level:
        if (!from_byte_alphabet(text, made)) made = text;
        if (i + 1 == stages_.size()) return m.repair.push(made, out);
        {
          std::string whole;
          m.repair.push(made, whole);
          return feed(s, i + 1, whole, out);
        }
      case kind::byte_fallback:
        if (int const b = byte_token(text); b >= 0) return void(m.run += char(b));
        flush(s, i, out);
        return feed(s, i + 1, text, out);
      case kind::replace: return feed(s, i + 1, g.what.front().replaced(text, g.content), out);
      case kind::metaspace: return feed(s, i + 1, with_spaces(text, g.content, g.drops_first && m.dropped++ == 0), out);
      case kind::strip: return feed(s, i + 1, g.fused ? strip_chunk(g, m, text) : std::string(strip_token(g, text)), out);
    }
  }
  void flush(state& s, std::size_t i, std::string& out) const {
    state::memory& m = s.stages[i];
    if (stages_[i].kind == kind::byte_level) {
      std::string rest;
      m.repair.finish(rest);
      if (!rest.empty()) feed(s, i + 1, rest, out);
    } else if (stages_[i].kind == kind::byte_fallback && !m.run.empty()) {
      std::string const run = std::move(m.run);
      m.run.clear();
      if (utf8_prefix(run) == run.size()) return feed(s, i + 1, run, out);
      for (std::size_t k = 0; k < run.size(); ++k) feed(s, i + 1, replacement_character, out);
    }
  }
  static std::string_view strip_token(stage const& g, std::string_view text) {
    for (std::size_t k = 0; k < g.start && text.starts_with(g.content); ++k) text.remove_prefix(g.content.size());
    for (std::size_t k = 0; k < g.stop && text.ends_with(g.content); ++k) text.remove_suffix(g.content.size());
    return text;
  }
  static std::string strip_chunk(stage const& g, state::memory& m, std::string_view text) {
    while (!m.inside && !text.empty()) {
      if (m.dropped < g.start && text.starts_with(g.content)) {
        text.remove_prefix(g.content.size());
        ++m.dropped;
      } else {
        m.inside = true;
      }
    }
    std::string whole;
    for (std::size_t k = 0; k < m.held; ++k) whole += g.content;
    whole += text;
    m.held = 0;
    for (; m.held < g.stop && whole.ends_with(g.content); ++m.held) whole.resize(whole.size() - g.content.size());
    return whole;
  }

  std::vector<stage> stages_;
  bool spaced_ = true;
  double growth_ = 1;
};

}  // namespace verbatim::detail
