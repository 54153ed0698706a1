// `bpe`: the tokenizers of tokenizer.json whose model is BPE, byte-level or SentencePiece-like, giving the ids and the text that
// the reference implementation gives. A value that shares its immutable tables: copies are cheap, const members thread-safe.
// Cost: construction about 100 MB/s of file; encoding O(n log n) at worst, tens of MB/s on ordinary text; decoding linear.
// Bytes that are not UTF-8 are read as U+FFFD, one for each maximal ill-formed part.
#pragma once
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/token.hpp"
#include "verbatim/text/added_tokens.hpp"
#include "verbatim/text/bpe_model.hpp"
#include "verbatim/text/concept.hpp"
#include "verbatim/text/decode.hpp"
#include "verbatim/text/normalize.hpp"
#include "verbatim/text/post_process.hpp"
#include "verbatim/text/pretokenize.hpp"
#include "verbatim/text/tokenizer_json.hpp"

namespace verbatim {

namespace detail {

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

std::shared_ptr<bpe_parts const> make_bpe_parts(std::string_view text);

}  // namespace detail

class bpe {
 public:
  /// Decodes token by token. Text comes out as soon as later tokens cannot change it; `finish` gives the rest.
  struct stream {
    explicit stream(bool skip_special = false) : skip_special_(skip_special) {}
    /// Appends to `out`. Ids that do not exist are passed over.
    void push(bpe const& t, token id, std::string& out) {
      auto const& p = *t.parts_;
      if (p.has(id, p.is_bytes) && !(skip_special_ && t.is_special(id))) return p.decode.push_bytes(state_, p.model.spelled()[id], out);
      auto const text = p.shown(id);
      if (!text || (skip_special_ && t.is_special(id))) return;
      p.decode.push(state_, *text, out);
    }
    /// The end of the text; what remains incomplete becomes U+FFFD. The stream is then spent.
    void finish(bpe const& t, std::string& out) { t.parts_->decode.finish(state_, out); }

   private:
    detail::decoder::state state_;
    bool skip_special_;
  };

  /// From the text of a tokenizer.json. Throws error("tokenizer", 2 to 7).
  static bpe from_json(std::string_view text) { return bpe(detail::make_bpe_parts(text)); }
  /// From a tokenizer.json or a directory that holds one. Throws also error("tokenizer", 1).
  static bpe load(std::filesystem::path path) {
    if (std::filesystem::is_directory(path)) path /= "tokenizer.json";
    return from_json(detail::read_text_file(path));
  }

  /// Appends the ids of `text`. Added tokens in it are recognised; none are put around it.
  void encode(std::string_view text, std::vector<token>& ids) const;
  /// The same, with the special tokens that the post-processor puts around a text.
  void encode_with_special(std::string_view text, std::vector<token>& ids) const {
    auto const& around = parts_->around;
    ids.insert(ids.end(), around.before().begin(), around.before().end());
    encode(text, ids);
    ids.insert(ids.end(), around.behind().begin(), around.behind().end());
  }
  /// The text of `ids`. Ids that do not exist are passed over, special ones too where `skip_special`.
  std::string decode(std::span<token const> ids, bool skip_special) const {
    std::string out;
    stream s(skip_special);
    for (token const id : ids) s.push(*this, id, out);
    s.finish(*this, out);
    return out;
  }

  /// The greatest id and one.
  int vocabulary() const noexcept { return int(parts_->bound); }
  bool is_stop(token id) const noexcept { return std::find(stop_.begin(), stop_.end(), id) != stop_.end(); }
  /// The tokens at which generation ends; none at first, since tokenizer.json does not name them.
  void set_stop(std::vector<token> stop) { stop_ = std::move(stop); }
  std::vector<token> const& stop() const noexcept { return stop_; }

  /// The string of the vocabulary; empty for an id that does not exist.
  std::string_view token_text(token id) const {
    if (auto const* const t = parts_->find_added(id); t != nullptr) return t->content;
    return parts_->model.words().has(id) ? parts_->model.words()[id] : std::string_view();
  }
  /// The bytes that a token stands for, perhaps only a part of a code point.
  std::string token_bytes(token id) const {
    auto const text = parts_->shown(id);
    return text ? parts_->decode.bytes(*text) : std::string();
  }
  bool is_special(token id) const noexcept { return parts_->has(id, detail::bpe_parts::is_special); }
  /// The id of a string of the vocabulary or of an added token.
  std::optional<token> find(std::string_view text) const {
    if (token const id = parts_->model.words().find(text); id >= 0) return id;
    for (auto const& t : parts_->added)
      if (t.content == text) return t.id;
    return std::nullopt;
  }

 private:
  explicit bpe(std::shared_ptr<detail::bpe_parts const> parts) : parts_(std::move(parts)) {}

  std::shared_ptr<detail::bpe_parts const> parts_;
  std::vector<token> stop_;
};

inline void bpe::encode(std::string_view given, std::vector<token>& ids) const {
  auto const& p = *parts_;
  std::string repaired, storage;
  std::string_view const text = detail::utf8_repaired(given, repaired);
  auto const push = [&ids](detail::added_token const& t) { ids.push_back(t.id); };
  p.raw.each(text, [&](std::size_t begin, std::size_t end) {
    std::string_view const normal = p.normal.apply(text.substr(begin, end - begin), storage);
    p.normalized.each(normal, [&](std::size_t from, std::size_t to) {
      p.words.each(normal.substr(from, to - from), begin == 0 && from == 0,
                   [&](std::string_view word) { p.model.encode(word, p.words.bytes(), ids); });
    }, push);
  }, push);
}

}  // namespace verbatim

#include "verbatim/text/bpe_parts.hpp"
