// Any bytes as text for small tokenizers of both kinds: no crash, ids in range, text of the ids of a byte-level tokenizer is the
// text itself, streamed text is the whole text, scanners agree with PCRE2.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "text_samples.hpp"
#include "verbatim/text/bpe.hpp"

namespace {

void must(bool fine) {
  if (!fine) std::abort();
}

void check(verbatim::bpe const& t, std::string_view text, bool exact) {
  std::vector<verbatim::token> ids;
  t.encode(text, ids);
  for (auto id : ids) must(id >= 0 && id < t.vocabulary());
  std::string const whole = t.decode(ids, false);
  std::string repaired;
  if (exact) must(whole == verbatim::detail::utf8_repaired(text, repaired));
  std::string streamed;
  verbatim::bpe::stream s;
  for (auto id : ids) {
    s.push(t, id, streamed);
    must(verbatim::detail::utf8_prefix(streamed) == streamed.size());
  }
  s.finish(t, streamed);
  must(streamed == whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static auto const bytes = verbatim::bpe::from_json(text_samples::byte_level());
  static auto const pieces = verbatim::bpe::from_json(text_samples::sentence_pieces());
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  check(bytes, text, true);
  check(pieces, text, false);
  std::string storage;
  std::string_view const valid = verbatim::detail::utf8_repaired(text, storage);
  static auto const pairs = text_samples::scanner_pairs();
  for (auto const& p : pairs) must(text_samples::agree(p, valid));
  return 0;
}
