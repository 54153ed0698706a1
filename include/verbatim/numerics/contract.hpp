// Numerics as part of the type: what a part offers, what a pipeline asks, and a digest to compare.
#pragma once
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

namespace verbatim {

/// none: may differ between runs. run_to_run: same batch, same bits. batch_invariant: a sequence's bits do not depend
/// on its company, chunking, preemption or prefix hits. layout_invariant: nor on the number of ranks.
enum class guarantee : std::uint8_t { none, run_to_run, batch_invariant, layout_invariant };

constexpr std::string_view name_of(guarantee g) noexcept {
  constexpr std::string_view names[] = {"none", "run_to_run", "batch_invariant", "layout_invariant"};
  return names[std::size_t(g)];
}

/// A numerical contract. Structural, so that it can be a template argument.
struct numerics {
  guarantee level = guarantee::batch_invariant;
  int kv_leaf = 256;   ///< attention visits keys in leaves of this many absolute positions, merged in ascending order
  int k_leaf = 0;      ///< 0: dot products accumulate over all of k in ascending order
  friend constexpr bool operator==(numerics const&, numerics const&) = default;
};

inline constexpr numerics fastest{guarantee::run_to_run, 256, 0};
inline constexpr numerics batch_invariant{guarantee::batch_invariant, 256, 0};

/// FNV-1a over 64-bit words; the contract's digests are chains of it.
constexpr std::uint64_t digest_of(std::initializer_list<std::uint64_t> words, std::uint64_t seed = 1469598103934665603ull) {
  std::uint64_t h = seed;
  for (std::uint64_t w : words)
    for (int i = 0; i < 8; ++i) h = (h ^ ((w >> (8 * i)) & 255u)) * 1099511628211ull;
  return h;
}
constexpr std::uint64_t digest(numerics n) {
  return digest_of({std::uint64_t(n.level), std::uint64_t(n.kv_leaf), std::uint64_t(n.k_leaf)});
}

template <class T>
concept offers_guarantee = requires { guarantee{T::offers}; };
template <class T> inline constexpr guarantee guarantee_of = T::offers;

}  // namespace verbatim
