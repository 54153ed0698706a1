// Small tokenizers and the patterns that have scanners, for tests and fuzz targets.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/text/bpe.hpp"
#include "verbatim/text/bpe_parts.hpp"
#include "verbatim/text/json.hpp"

namespace text_samples {

namespace d = verbatim::detail;

inline constexpr std::string_view contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)", tail = R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";

/// Every pattern that a scanner stands in for.
inline std::vector<std::string> scanned_patterns() {
  std::string const c(contractions), t(tail), first = R"([^\r\n\p{L}\p{N}]?)";
  std::string const upper = R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}])", lower = R"([\p{Ll}\p{Lm}\p{Lo}\p{M}])";
  return {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
          c + "|" + first + R"(\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*)" + t,
          c + "|" + first + R"(\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*)" + t,
          c + "|" + first + R"([\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*)" + t,
          first + upper + "*" + lower + "+" + c + "?|" + first + upper + "+" + lower + "*" + c + R"(?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" + t,
          first + upper + "*" + lower + "+|" + first + upper + "+" + lower + R"(*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*)" + t};
}

struct scanner_pair {
  d::scanner scan;
  d::regex expression;
};

inline std::vector<scanner_pair> scanner_pairs() {
  std::vector<scanner_pair> pairs;
  for (auto const& p : scanned_patterns()) pairs.push_back({d::scanner_of(p), d::regex(p)});
  return pairs;
}

/// Whether scanner and expression cut a text (valid UTF-8) alike.
inline bool agree(scanner_pair const& p, std::string_view text) {
  if (p.scan == nullptr) return false;
  auto const& u = d::unicode::get();
  char const* at = text.data();
  char const* const end = at + text.size();
  bool same = true;
  p.expression.each(text, [&](d::match m) {
    if (!same) return;
    same = m.begin == std::size_t(at - text.data()) && at < end;
    if (same) at = p.scan(at, end, u);
    same = same && m.end == std::size_t(at - text.data());
  });
  return same && at == end;
}

inline std::string json_text(std::string_view text) { return verbatim::dump_json(verbatim::json(std::string(text))); }

/// A byte-level tokenizer: all bytes, then the tokens that the merges make. No normalizer, so it gives texts back exactly.
inline std::string byte_level(std::string_view extra = {}) {
  std::string vocab, letter;
  for (int b = 0; b < 256; ++b) {
    letter.clear();
    d::utf8_append(letter, d::byte_alphabet[std::size_t(b)]);
    vocab += (b ? "," : "") + json_text(letter) + ":" + std::to_string(b);
  }
  std::vector<std::pair<std::string, std::string>> const merges = {
      {"h", "e"}, {"l", "l"}, {"he", "ll"}, {"hell", "o"}, {"\xC4\xA0", "hello"}, {"a", "a"}, {"aa", "aa"}, {"\xC4\xA0", "\xC4\xA0"}, {"\xC3\x83", "\xC2\xA9"}};
  std::string rules;
  int id = 256;
  for (auto const& [a, b] : merges) {
    vocab += "," + json_text(a + b) + ":" + std::to_string(id++);
    rules += (rules.empty() ? "[" : ",[") + json_text(a) + "," + json_text(b) + "]";
  }
  return R"({"added_tokens":[{"id":300,"content":"<|end|>","special":true,"normalized":false},{"id":301,"content":"<tool>","special":false,"normalized":false}],)"
         R"("pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},"decoder":{"type":"ByteLevel"},)" +
         std::string(extra) + R"("model":{"type":"BPE","vocab":{)" + vocab + R"(},"merges":[)" + rules + "]}}";
}

/// A SentencePiece-like tokenizer with byte fallback.
inline std::string sentence_pieces() {
  std::string vocab = R"("<unk>":0,"<s>":1,"</s>":2)";
  char name[8];
  for (int b = 0; b < 256; ++b) {
    std::snprintf(name, sizeof name, "<0x%02X>", unsigned(b));
    vocab += std::string(",\"") + name + "\":" + std::to_string(b + 3);
  }
  int id = 259;
  for (std::string_view s : {"\xE2\x96\x81", "h", "e", "l", "o", "\xC3\xA9", "he", "ll", "hell", "hello", "\xE2\x96\x81hello", "\xE2\x96\x81\xE2\x96\x81"})
    vocab += "," + json_text(s) + ":" + std::to_string(id++);
  return R"({"added_tokens":[{"id":0,"content":"<unk>","special":true,"normalized":false},{"id":1,"content":"<s>","special":true,"normalized":false},)"
         R"({"id":2,"content":"</s>","special":true,"normalized":false}],)"
         R"("normalizer":{"type":"Sequence","normalizers":[{"type":"Prepend","prepend":"▁"},{"type":"Replace","pattern":{"String":" "},"content":"▁"}]},)"
         R"("post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>","type_id":0}},{"Sequence":{"id":"A","type_id":0}}],)"
         R"("special_tokens":{"<s>":{"id":"<s>","ids":[1],"tokens":["<s>"]}}},)"
         R"("decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"ByteFallback"},)"
         R"({"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},)"
         R"("model":{"type":"BPE","unk_token":"<unk>","fuse_unk":true,"byte_fallback":true,"vocab":{)" +
         vocab + R"(},"merges":["h e","l l","he ll","hell o","▁ hello","▁ ▁"]}})";
}

}  // namespace text_samples
