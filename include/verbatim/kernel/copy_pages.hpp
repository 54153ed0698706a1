// Pages of keys and values copied to others in all layers by one launch: what a fork does with the page that its sequences go on to fill.
// The list of pages travels in the launch's parameters, so nothing is staged and nothing has to be waited for before the next list.
// Cost: every byte read and written once, 16 at a time, four of those of a thread under way; a launch for `most` copies.
#pragma once
#include <cstddef>

#include "verbatim/kernel/values.hpp"

namespace verbatim::kernel {

struct page_pair {
  int from, to;
};

/// Copies that are one launch, where blocks have no order: no page that is written is read, and none is written twice.
struct page_pairs {
  static constexpr int most = 256;   // of 4 KiB of parameters, half
  int count = 0;
  page_pair of[most];

  /// Host. A copy that comes after those that are here; false: it has to wait for their end, and nothing was changed. A copy of a copy
  /// reads what that one reads. Cost: a pass over the list.
  constexpr bool add(int from, int to) noexcept {
    int source = from;
    for (int i = 0; i < count; ++i) {
      if (of[i].from == to || of[i].to == to) return false;
      if (of[i].to == from) source = of[i].from;
    }
    if (count == most) return false;
    of[count++] = {source, to};
    return true;
  }
};

template <class T> struct copy_pages {
  global<T> kv;            ///< [pieces, pages, elements]: pieces are the keys of a layer, or its values
  page_pairs pairs;
  int pieces, pages;
  std::size_t elements;    ///< of a page in a piece, a multiple of pack_size<T>
};

inline constexpr int copy_threads = 256, copy_packs = 4;   ///< copy_packs: of a thread, at once
template <class T> constexpr launch_shape shape_of(copy_pages<T> const& p) {
  std::size_t const each = std::size_t(pack_size<T> * copy_packs * copy_threads);
  return {.x = int((p.elements + each - 1) / each), .y = p.pairs.count, .z = p.pieces, .threads = copy_threads};
}

template <class Grid, class T> VERBATIM_KERNEL void run(Grid g, copy_pages<T> const& p) {
  constexpr std::size_t n = pack_size<T>;
  std::size_t const piece = std::size_t(g.block_z()) * std::size_t(p.pages);
  page_pair const pair = p.pairs.of[g.block_y()];
  std::size_t const from = (piece + std::size_t(pair.from)) * p.elements, to = (piece + std::size_t(pair.to)) * p.elements;
  std::size_t const first = (std::size_t(g.block_x()) * copy_packs * copy_threads + std::size_t(g.thread())) * n;
  full_pack<T> held[copy_packs];
  VERBATIM_UNROLL
  for (int i = 0; i < copy_packs; ++i)
    if (std::size_t const at = first + std::size_t(i) * copy_threads * n; at < p.elements) held[i] = g.template load_pack<pack_size<T>>(p.kv, from + at);
  VERBATIM_UNROLL
  for (int i = 0; i < copy_packs; ++i)
    if (std::size_t const at = first + std::size_t(i) * copy_threads * n; at < p.elements) g.store_pack(p.kv, to + at, held[i]);
}

}  // namespace verbatim::kernel
