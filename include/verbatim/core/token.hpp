// The vocabulary-level nouns that every folder shares.
#pragma once
#include <cstdint>
#include <type_traits>

namespace verbatim {

/// A token id of the model's vocabulary. Negative values never name a token.
using token = std::int32_t;

/// One logit (or adjusted logit) together with the token that it belongs to.
struct score {
  float value;
  token id;
};

/// A handle to one sequence in a KV-cache book; never arithmetic.
enum class sequence : std::uint32_t {};

/// What may cross to a device: plain bytes with a fixed layout.
template <class T>
concept pod = std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T>;

}  // namespace verbatim
