// The BPE model of tokenizer.json: vocabulary and merge rules, from words to ids. Words are bytes (a byte-level vocabulary) or
// code points with byte fallback and unknown tokens. A word that is itself a token, and that the merges would build, is
// found by one look-up: which tokens those are is worked out at construction. O(n log n) in the length of a word.
// Immutable after construction, thread-safe.
#pragma once
#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/text/byte_alphabet.hpp"
#include "verbatim/text/merges.hpp"
#include "verbatim/text/utf8.hpp"
#include "verbatim/text/vocabulary.hpp"

namespace verbatim::detail {

/// What the model section says, with the strings that it names.
struct bpe_settings {
  bool ignore_merges = false, byte_fallback = false, fuse_unknown = false;
  std::string unknown, prefix, suffix;   ///< empty: none
};

/// A merge rule as text: `left` bytes of `both` belong to the left symbol.
struct merge_text {
  std::uint32_t begin, left, length;
};

class bpe_model {
 public:
  bpe_model() = default;
  /// Throws error("tokenizer", 4) or (.., 5) where vocabulary, unknown token and merges contradict each other.
  bpe_model(vocabulary words, bpe_settings settings, std::string_view merge_block, std::vector<merge_text> const& rules, bool bytes)
      : words_(std::move(words)), settings_(std::move(settings)), bytes_(bytes) {
    if (!settings_.unknown.empty() && (unknown_ = words_.find(settings_.unknown)) < 0)
      throw error("tokenizer", 4, "model.unk_token \"" + settings_.unknown.substr(0, 60) + "\": a string of model.vocab expected");
    for (int b = 0; b < 256; ++b) {
      char name[8];
      std::snprintf(name, sizeof name, "<0x%02X>", unsigned(b));
      fallback_[std::size_t(b)] = words_.find(name);
    }
    std::string letter;
    for (int b = 0; b < 256; ++b) {
      letter.clear();
      utf8_append(letter, byte_alphabet[std::size_t(b)]);
      letters_[std::size_t(b)] = words_.find(letter);
    }
    read_rules(merge_block, rules);
    affixed_ = !settings_.prefix.empty() || !settings_.suffix.empty();
    bool const complete = std::all_of(letters_.begin(), letters_.end(), [](token id) { return id >= 0; });
    bytes_ = bytes_ && !affixed_ && (complete || (unknown_ < 0 && !settings_.byte_fallback));
    if (bytes_) spell_words();
    find_built_words();
  }

  vocabulary const& words() const noexcept { return words_; }
  /// The tokens as bytes, of a byte-level vocabulary; empty for others.
  vocabulary const& spelled() const noexcept { return spelled_; }
  bpe_settings const& settings() const noexcept { return settings_; }
  token unknown() const noexcept { return unknown_; }

  /// Appends the ids of one word; `as_bytes`: given as bytes, not yet in the byte-level alphabet.
  void encode(std::string_view word, bool as_bytes, std::vector<token>& ids) const {
    if (word.empty()) return;
    if (as_bytes && bytes_) return encode_bytes(word, ids);
    if (as_bytes) {
      std::string spelled;
      append_byte_alphabet(word, spelled);
      return encode_part(spelled, ids);
    }
    if (settings_.ignore_merges || !splits_at_marker_) return encode_part(word, ids);
    std::size_t begin = 0;
    for (std::size_t at = 1; (at = word.find(marker, at)) != word.npos; at += marker.size()) {
      if (joins_marker(word, at)) continue;
      encode_part(word.substr(begin, at - begin), ids);
      begin = at;
    }
    encode_part(word.substr(begin), ids);
  }

 private:
  static constexpr std::string_view marker = "\xE2\x96\x81";   // U+2581, which stands for a space

  [[noreturn]] static void fail(std::size_t i, std::string_view what, std::string_view name) {
    throw error("tokenizer", 5, "model.merges[" + std::to_string(i) + "]: " + std::string(what) + " \"" + std::string(name.substr(0, 60)) + "\" is not in model.vocab");
  }
  void read_rules(std::string_view block, std::vector<merge_text> const& rules) {
    merges_.reserve(rules.size());
    std::string joined;
    splits_at_marker_ = words_.find(marker) >= 0 && settings_.prefix.empty() && settings_.suffix.empty();
    for (std::size_t i = 0; i < rules.size(); ++i) {
      merge_text const& r = rules[i];
      std::string_view both = block.substr(r.begin, r.length), a = both.substr(0, r.left), b = both.substr(r.left);
      token const left = words_.find(a), right = words_.find(b);
      if (left < 0) fail(i, "the left symbol", a);
      if (right < 0) fail(i, "the right symbol", b);
      if (!settings_.prefix.empty()) {
        if (b.size() < settings_.prefix.size()) fail(i, "the joined symbol", both);
        joined.assign(a).append(b.substr(settings_.prefix.size()));
        both = joined;
      }
      token const result = words_.find(both);
      if (result < 0) fail(i, "the joined symbol", both);
      merges_.add(left, right, {std::uint32_t(i), result});
      if (!splits_at_marker_) continue;
      if (left == unknown_ || right == unknown_ || is_fallback(left) || is_fallback(right) || a.empty()) splits_at_marker_ = false;
      else if (b.starts_with(marker)) before_marker_.push_back(last_of(a));
    }
    std::sort(before_marker_.begin(), before_marker_.end());
    before_marker_.erase(std::unique(before_marker_.begin(), before_marker_.end()), before_marker_.end());
  }
  bool is_fallback(token id) const { return std::find(fallback_.begin(), fallback_.end(), id) != fallback_.end(); }
  static char32_t last_of(std::string_view text) {
    char const* p = utf8_before(text.data() + text.size());
    return utf8_next(p);
  }
  /// No rule joins what ends in this code point with what begins with the marker: there a word can be cut exactly.
  bool joins_marker(std::string_view word, std::size_t at) const {
    return std::binary_search(before_marker_.begin(), before_marker_.end(), last_of(word.substr(0, at)));
  }

  void spell_words() {
    std::string bytes;
    for (std::size_t id = 0; id < words_.bound(); ++id)
      if (words_.has(token(id)) && from_byte_alphabet(words_[token(id)], bytes)) spelled_.add(bytes, token(id));
    spelled_.index();
  }
  /// Marks the tokens that the merges build from their own text; encoding such a word gives that token alone.
  void find_built_words() {
    built_.assign(words_.bound(), settings_.ignore_merges);
    if (settings_.ignore_merges || affixed_) return;
    vocabulary const& table = bytes_ ? spelled_ : words_;
    std::vector<token> ids;
    for (std::size_t id = 0; id < table.bound(); ++id) {
      if (!table.has(token(id))) continue;
      ids.clear();
      if (bytes_) merge_bytes(table[token(id)], ids);
      else merge_characters(table[token(id)], ids);
      built_[id] = ids.size() == 1 && ids[0] == token(id);
    }
  }

  void encode_bytes(std::string_view word, std::vector<token>& ids) const {
    if (token const id = spelled_.find(word); id >= 0 && built_[std::size_t(id)]) return ids.push_back(id);
    merge_bytes(word, ids);
  }
  void merge_bytes(std::string_view word, std::vector<token>& ids) const {
    std::size_t const first = ids.size();
    for (char b : word)
      if (token const id = letters_[static_cast<unsigned char>(b)]; id >= 0) ids.push_back(id);
    merges_.apply(ids, first);
  }
  void encode_part(std::string_view word, std::vector<token>& ids) const {
    if (token const id = words_.find(word); id >= 0 && built_[std::size_t(id)]) return ids.push_back(id);
    merge_characters(word, ids);
  }
  void merge_characters(std::string_view word, std::vector<token>& ids) const {
    std::size_t const first = ids.size();
    std::size_t pending = 0;  // unknown tokens not yet written; the reference writes them before the next known symbol
    std::string symbol;
    for (char const *p = word.data(), *end = p + word.size(); p < end;) {
      char const* const begin = p;
      p += utf8_length(static_cast<unsigned char>(*p));
      std::string_view s(begin, std::size_t(p - begin));
      if (affixed_) {
        symbol.assign(begin == word.data() ? "" : settings_.prefix).append(s).append(p == end ? settings_.suffix : "");
        s = symbol;
      }
      if (token const id = words_.find(s); id >= 0) {
        if (pending != 0) ids.push_back(unknown_);
        pending = 0;
        ids.push_back(id);
      } else if (settings_.byte_fallback && std::all_of(s.begin(), s.end(), [this](char b) { return fallback_[static_cast<unsigned char>(b)] >= 0; })) {
        for (char b : s) ids.push_back(fallback_[static_cast<unsigned char>(b)]);
      } else if (unknown_ >= 0) {
        if (pending != 0 && !settings_.fuse_unknown) ids.push_back(unknown_);
        pending = 1;
      }
    }
    if (pending != 0) ids.push_back(unknown_);
    merges_.apply(ids, first);
  }

  vocabulary words_, spelled_;                 // as in the file; as bytes
  bpe_settings settings_;
  merges merges_;
  std::vector<unsigned char> built_;
  std::array<token, 256> fallback_{}, letters_{};
  std::vector<char32_t> before_marker_;
  token unknown_ = -1;
  bool bytes_ = false, affixed_ = false, splits_at_marker_ = false;
};

}  // namespace verbatim::detail
