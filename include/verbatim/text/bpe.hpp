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
#include <utility>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/core/separate.hpp"
#include "verbatim/core/token.hpp"
#include "verbatim/text/concept.hpp"
#include "verbatim/text/decoder_state.hpp"

namespace verbatim {

namespace detail {
struct bpe_parts;
}

class bpe {
 public:
  /// Decodes token by token. Text comes out as soon as later tokens cannot change it; `finish` gives the rest.
  struct stream {
    explicit stream(bool skip_special = false) : skip_special_(skip_special) {}
    /// Appends to `out`. Ids that do not exist are passed over.
    void push(bpe const& t, token id, std::string& out);
    /// The end of the text; what remains incomplete becomes U+FFFD. The stream is then spent.
    void finish(bpe const& t, std::string& out);

   private:
    detail::decoder_state state_;
    bool skip_special_;
  };

  /// From the text of a tokenizer.json. Throws error("tokenizer", 2 to 7).
  static bpe from_json(std::string_view text);
  /// From a tokenizer.json or a directory that holds one. Throws also error("tokenizer", 1).
  static bpe load(std::filesystem::path path);

  /// Appends the ids of `text`. Added tokens in it are recognised; none are put around it.
  void encode(std::string_view text, std::vector<token>& ids) const;
  /// The same, with the special tokens that the post-processor puts around a text.
  void encode_with_special(std::string_view text, std::vector<token>& ids) const;
  /// The text of `ids`. Ids that do not exist are passed over, special ones too where `skip_special`.
  std::string decode(std::span<token const> ids, bool skip_special) const;

  /// The greatest id and one.
  int vocabulary() const noexcept;
  bool is_stop(token id) const noexcept { return std::find(stop_.begin(), stop_.end(), id) != stop_.end(); }
  /// The tokens at which generation ends; none at first, since tokenizer.json does not name them.
  void set_stop(std::vector<token> stop) { stop_ = std::move(stop); }
  std::vector<token> const& stop() const noexcept { return stop_; }

  /// The string of the vocabulary; empty for an id that does not exist.
  std::string_view token_text(token id) const;
  /// The bytes that a token stands for, perhaps only a part of a code point.
  std::string token_bytes(token id) const;
  bool is_special(token id) const noexcept;
  /// The id of a string of the vocabulary or of an added token.
  std::optional<token> find(std::string_view text) const;

 private:
  explicit bpe(std::shared_ptr<detail::bpe_parts const> parts) : parts_(std::move(parts)) {}

  std::shared_ptr<detail::bpe_parts const> parts_;
  std::vector<token> stop_;
};

}  // namespace verbatim

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/text/bpe.ipp.hpp"
#endif
