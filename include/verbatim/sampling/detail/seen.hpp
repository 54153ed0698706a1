// Visits the ids that occur in dense tables of counts, skipping runs of 32 ids without any.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

namespace verbatim::detail {

template <class T> inline bool any_set(T const* p) noexcept {   // of 32 entries
  std::uint64_t words[32 * sizeof(T) / 8], any = 0;
  std::memcpy(words, p, sizeof words);
  for (std::uint64_t w : words) any |= w;
  return any != 0;
}

/// Calls f(id) for each id below `ids` with a count or a prompt mark; either table may be null.
template <class F>
void each_seen(std::uint16_t const* counts, std::uint8_t const* in_prompt, std::size_t ids, F&& f) {
  for (std::size_t i = 0; i < ids; i += 32) {
    std::size_t const end = std::min(ids, i + 32);
    if (end == i + 32 && !(counts && any_set(counts + i)) && !(in_prompt && any_set(in_prompt + i))) continue;
    for (std::size_t j = i; j < end; ++j)
      if ((counts && counts[j]) || (in_prompt && in_prompt[j])) f(j);
  }
}

}  // namespace verbatim::detail
