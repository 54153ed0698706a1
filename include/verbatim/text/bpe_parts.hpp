// The parts of a `bpe`, built from tokenizer.json, checking each.
#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/token.hpp"
#include "verbatim/text/added_tokens.hpp"
#include "verbatim/text/bpe_model.hpp"
#include "verbatim/text/decode.hpp"
#include "verbatim/text/normalize.hpp"
#include "verbatim/text/post_process.hpp"
#include "verbatim/text/pretokenize.hpp"
#include "verbatim/text/tokenizer_json.hpp"

namespace verbatim::detail {

/// Everything that tokenizer.json describes.
struct bpe_parts {
  bpe_model model;
  normalizer normal;
  pretokenizer words;
  post_processor around;
  decoder decode;
  std::vector<added_token> added;         // by id
  token_finder raw, normalized;           // among the raw text, among the normalised text
  std::vector<unsigned char> flags;       // by id
  std::size_t bound = 0;                  // greatest id and one
  enum flag : unsigned char { is_added = 1, is_special = 2, is_bytes = 4 };   // is_bytes: the model knows its bytes, decoding takes them

  bool has(token id, flag f) const noexcept { return id >= 0 && std::size_t(id) < bound && (flags[std::size_t(id)] & f) != 0; }

  added_token const* find_added(token id) const {
    auto const at = std::lower_bound(added.begin(), added.end(), id, [](added_token const& t, token i) { return t.id < i; });
    return at != added.end() && at->id == id ? &*at : nullptr;
  }
  /// What decoders see of an id, if there is such an id.
  std::optional<std::string_view> shown(token id) const {
    if (has(id, is_added)) return find_added(id)->shown;
    if (model.words().has(id)) return model.words()[id];
    return std::nullopt;
  }
};

inline bpe_settings settings_of(component const& model) {
  std::string const type = model.text_or("type", "BPE");  // the oldest files do not say
  if (type != "BPE") model.unsupported("\"type\": BPE expected, \"" + type.substr(0, 40) + "\" found");
  if (json const* const dropout = model.find("dropout"); dropout != nullptr && !(dropout->is_number() && dropout->get<double>() == 0))
    model.unsupported("\"dropout\": null or 0 expected, because encoding must not be random");
  bpe_settings s;
  s.ignore_merges = model.flag("ignore_merges", false);
  s.byte_fallback = model.flag("byte_fallback", false);
  s.fuse_unknown = model.flag("fuse_unk", false);
  s.unknown = model.text_or("unk_token", "");
  s.prefix = model.text_or("continuing_subword_prefix", "");
  s.suffix = model.text_or("end_of_word_suffix", "");
  return s;
}

inline added_token added_of(component const& c, vocabulary const& words, normalizer const& normal) {
  added_token t;
  t.id = token(c.integer("id", 0, vocabulary::most_ids - 1));
  t.content = c.text("content");
  if (t.content.size() > 4096) c.fail("\"content\": at most 4096 bytes expected, " + std::to_string(t.content.size()) + " found");
  t.special = c.flag("special", false);
  t.normalized = c.flag("normalized", !t.special);
  t.lstrip = c.flag("lstrip", false);
  t.rstrip = c.flag("rstrip", false);
  t.single_word = c.flag("single_word", false);
  token const known = words.find(t.content);
  if (known >= 0 && known != t.id)
    throw error("tokenizer", 6, c.where() + ": id " + std::to_string(known) + " expected, as in model.vocab, " + std::to_string(t.id) + " found");
  std::string storage;
  t.shown = t.normalized ? std::string(normal.apply(t.content, storage)) : t.content;
  return t;
}

/// Reads added_tokens; equal entries may be repeated, contradicting ones not.
inline void read_added(component const& list, bpe_parts& parts) {
  auto const& words = parts.model.words();
  std::map<std::string, token> ids;
  std::map<token, added_token> known;
  list.each([&](component const& c) {
    added_token t = added_of(c, words, parts.normal);
    if (t.content.empty()) return;
    if (known.size() >= 100'000) list.fail("at most 100000 added tokens expected");
    auto const clash = [&](std::string const& what) { throw error("tokenizer", 6, c.where() + ": " + what); };
    if (auto const [at, fresh] = ids.try_emplace(t.content, t.id); !fresh && at->second != t.id)
      clash("\"" + t.content.substr(0, 60) + "\" has the id " + std::to_string(at->second) + " already, " + std::to_string(t.id) + " found");
    if (words.has(t.id) && words[t.id] != t.content)
      clash("id " + std::to_string(t.id) + " is \"" + std::string(words[t.id].substr(0, 60)) + "\" in model.vocab, \"" + t.content.substr(0, 60) + "\" found");
    if (auto const at = known.find(t.id); at != known.end() && at->second.content != t.content)
      clash("id " + std::to_string(t.id) + " is \"" + at->second.content.substr(0, 60) + "\" already, \"" + t.content.substr(0, 60) + "\" found");
    token const id = t.id;
    known[id] = std::move(t);
  });
  for (auto& [id, t] : known) parts.added.push_back(std::move(t));
}

inline void index_added(bpe_parts& parts) {
  std::vector<added_token> raw, normalized;
  std::map<std::string_view, token> patterns;
  parts.bound = parts.model.words().bound();
  for (auto const& t : parts.added) parts.bound = std::max(parts.bound, std::size_t(t.id) + 1);
  parts.flags.assign(parts.bound, 0);
  if (parts.decode.only_bytes())
    for (std::size_t id = 0; id < parts.model.spelled().bound(); ++id)
      if (parts.model.spelled().has(token(id))) parts.flags[id] = parts.is_bytes;
  for (auto const& t : parts.added) {
    parts.flags[std::size_t(t.id)] = t.special ? parts.is_added | parts.is_special : parts.is_added;
    if (t.shown.empty()) throw error("tokenizer", 6, "added_tokens: \"" + t.content.substr(0, 60) + "\": something left by the normalizer expected, nothing found");
    (t.normalized ? normalized : raw).push_back(t);
    if (t.normalized && !patterns.try_emplace(t.shown, t.id).second)
      throw error("tokenizer", 6, "added_tokens: \"" + t.content.substr(0, 60) + "\": a string of its own expected, normalised another has the same");
  }
  parts.raw = token_finder(std::move(raw));
  parts.normalized = token_finder(std::move(normalized));
}

inline std::shared_ptr<bpe_parts const> make_bpe_parts(std::string_view text) {
  auto parts = std::make_shared<bpe_parts>();
  tokenizer_file file = read_tokenizer_json(text);
  component const root(file.rest, "tokenizer.json");
  component const model = root.at("model");
  bpe_settings settings = settings_of(model);
  if (!file.has_vocab) throw error("tokenizer", 4, "model.vocab: an object of strings and ids expected, nothing found");
  if (!file.has_merges) throw error("tokenizer", 5, "model.merges: an array expected, nothing found");
  if (root.find("normalizer") != nullptr) parts->normal = normalizer(root.at("normalizer"));
  if (root.find("pre_tokenizer") != nullptr) parts->words = pretokenizer(root.at("pre_tokenizer"));
  if (root.find("post_processor") != nullptr) parts->around = post_processor(root.at("post_processor"));
  if (root.find("decoder") != nullptr) parts->decode = decoder(root.at("decoder"));
  parts->model = bpe_model(std::move(file.words), std::move(settings), file.merge_block, file.merges, parts->words.bytes());
  if (root.find("added_tokens") != nullptr) read_added(root.at("added_tokens"), *parts);
  index_added(*parts);
  for (auto const* list : {&parts->around.before(), &parts->around.behind()})
    for (token const id : *list)
      if (!parts->shown(id)) throw error("tokenizer", 2, "tokenizer.json.post_processor: an id of the vocabulary expected, " + std::to_string(id) + " found");
  return parts;
}

}  // namespace verbatim::detail
