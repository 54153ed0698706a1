// A square tile of 32-bit words, transposed in registers: the step from a checkpoint's rows to packed panels.
// Written around the caches where the target has such stores: packed weights are read again much later, and a line that is
// written whole need not be read first. Cost: 4 shuffles a register; the rest is memory.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace verbatim::cpu {

/// Rows and columns of a tile: what a register of the target holds.
#if defined(__AVX512F__)
inline constexpr int tile_words = 16;
#else
inline constexpr int tile_words = 8;
#endif

namespace detail {

using word_lanes [[gnu::vector_size(4 * tile_words)]] = std::uint32_t;

/// One butterfly of the transposition: swaps the off-diagonal blocks of `Step` lanes of two rows that are Step apart.
template <int Step, std::size_t... Lane>
[[gnu::always_inline]] inline void exchange(word_lanes& a, word_lanes& b, std::index_sequence<Lane...>) noexcept {
  word_lanes const low = __builtin_shufflevector(a, b, (int(Lane) & Step ? int(Lane) - Step + tile_words : int(Lane))...);
  word_lanes const high = __builtin_shufflevector(a, b, (int(Lane) & Step ? int(Lane) + tile_words : int(Lane) + Step)...);
  a = low, b = high;
}
template <int Step> [[gnu::always_inline]] inline void exchange_rows(word_lanes (&row)[tile_words]) noexcept {
  for (int i = 0; i < tile_words; ++i)
    if (!(i & Step)) exchange<Step>(row[i], row[i + Step], std::make_index_sequence<tile_words>());
}

[[gnu::always_inline]] inline void stream(std::uint32_t* to, word_lanes const& v) noexcept {
#if defined(__AVX512F__)
  __m512i w;
  std::memcpy(&w, &v, sizeof w);
  _mm512_stream_si512(reinterpret_cast<__m512i*>(to), w);
#elif defined(__AVX__)
  __m256i w;
  std::memcpy(&w, &v, sizeof w);
  _mm256_stream_si256(reinterpret_cast<__m256i*>(to), w);
#elif defined(__SSE2__)
  __m128i w[2];
  std::memcpy(w, &v, sizeof w);
  for (int i = 0; i < 2; ++i) _mm_stream_si128(reinterpret_cast<__m128i*>(to) + i, w[i]);
#else
  std::memcpy(to, &v, sizeof v);
#endif
}

}  // namespace detail

/// Row r of the source starts at from + r * row_bytes; word w of it goes to to[w * step + r]. `to` and `step` are multiples
/// of tile_words. Before another thread reads `to`: finish_streaming().
inline void transpose_tile(std::byte const* from, std::size_t row_bytes, std::uint32_t* to, std::size_t step) noexcept {
  detail::word_lanes row[tile_words];
  for (int r = 0; r < tile_words; ++r) std::memcpy(&row[r], from + std::size_t(r) * row_bytes, sizeof row[r]);
  detail::exchange_rows<1>(row);
  detail::exchange_rows<2>(row);
  detail::exchange_rows<4>(row);
  if constexpr (tile_words == 16) detail::exchange_rows<8>(row);
  for (int w = 0; w < tile_words; ++w) detail::stream(to + std::size_t(w) * step, row[w]);
}

inline void finish_streaming() noexcept {
#if defined(__SSE2__)
  _mm_sfence();
#endif
}

}  // namespace verbatim::cpu
