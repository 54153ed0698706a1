// The concept of a tokenizer: text to tokens and back, streaming.
// Laws: `encode` appends and is a pure function of the text; `stream` gives text whose concatenation is that of decoding all
// tokens at once, and never a part of a code point. Cost: linear in the text but for a logarithm; amortised O(1) a token.
// Thread safety: const members may be called from many threads at once; a stream belongs to one. An engine may call the static `load` on a
// thread of its own, beside the weights.
#pragma once
#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/token.hpp"

namespace verbatim {

template <class T>
concept tokenizer = requires(T const t, std::string_view text, std::vector<token>& ids, token id) {
  { t.encode(text, ids) } -> std::same_as<void>;
  { t.vocabulary() } -> std::convertible_to<int>;
  { t.is_stop(id) } -> std::same_as<bool>;
  typename T::stream;
} && requires(typename T::stream& s, T const t, token id, std::string& out) {
  { s.push(t, id, out) } -> std::same_as<void>;
  { s.finish(t, out) } -> std::same_as<void>;
};

}  // namespace verbatim
