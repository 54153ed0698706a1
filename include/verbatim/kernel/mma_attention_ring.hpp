// Tiles of 64 keys and values on their way from pages to a block's shared memory: a ring of `Stages` tiles, of which Stages - 1 are
// being copied while one is read. All threads copy, 16 bytes at a time; one barrier a tile. A page is a multiple of 16 positions, so
// 16 positions lie side by side. Positions outside [begin, end) are never read: they count as zeros, so that a weight of zero meets a
// number. Cost: a page id per thread and 16 positions, from cache.
#pragma once
#include "verbatim/kernel/mma_attention_leaf.hpp"

namespace verbatim::kernel {

template <int D, int Stages> struct ring_layout {
  static constexpr int elements = mma_tile::keys * mma_tile::pitch(D);   // of a tile of keys, or of values
  static constexpr int bytes = 2 * Stages * elements * int(sizeof(bf16));
  static_assert(Stages >= 2 && elements * sizeof(bf16) % 16 == 0);
  VERBATIM_HD static constexpr place keys(int slot) { return {2 * slot * elements * int(sizeof(bf16)), elements}; }
  VERBATIM_HD static constexpr place values(int slot) { return {(2 * slot + 1) * elements * int(sizeof(bf16)), elements}; }
};

template <class Grid, int D, int Stages, int Threads> class key_ring {
  using layout = ring_layout<D, Stages>;
  static constexpr int n = pack_size<bf16>, run = 16, runs = mma_tile::keys / run;   // run: positions that surely lie in one page

 public:
  /// `first_page`: of the sequence, in `pages`. Begins to copy.
  VERBATIM_KERNEL key_ring(Grid g, paged_kv<bf16> const& kv, global<int const> pages, int first_page, int kv_head, int begin, int end)
      : g(g), kv(kv), pages(pages), kv_head(kv_head), begin(begin), end(end), visited(begin / mma_tile::keys * mma_tile::keys), fetched(visited),
        page(first_page + fetched / kv.page), offset(fetched % kv.page) {
    for (int s = 0; s < Stages - 1; ++s) fetch();
  }
  VERBATIM_KERNEL bool ended() const { return visited >= end; }
  VERBATIM_KERNEL int position() const { return visited; }   ///< of the tile's first key
  VERBATIM_KERNEL place keys() const { return layout::keys(visited / mma_tile::keys % Stages); }
  VERBATIM_KERNEL place values() const { return layout::values(visited / mma_tile::keys % Stages); }

  /// Waits for the tile at `position`; all threads of the block have left the one before, into whose slot another comes.
  VERBATIM_KERNEL void arrive() {
    g.template copy_wait<Stages - 2>();
    g.sync();
    fetch();
  }
  VERBATIM_KERNEL void leave() { visited += mma_tile::keys; }

 private:
  VERBATIM_KERNEL void fetch() {
    if (fetched < end) {
      int const slot = fetched / mma_tile::keys % Stages;
      auto const to_keys = g.template shared<bf16>(layout::keys(slot)), to_values = g.template shared<bf16>(layout::values(slot));
      std::size_t from[runs];
      VERBATIM_UNROLL
      for (int r = 0; r < runs; ++r) {
        int const first = fetched + r * run;
        from[r] = first + run > begin && first < end ? kv.at(g.load(pages, page), kv_head, offset) : 0;
        offset += run;
        if (offset == kv.page) offset = 0, ++page;
      }
      // A thread copies 16 bytes of a key and of its value, `each` keys further on again.
      constexpr int each = Threads / (D / n);
      static_assert(Threads % (D / n) == 0 && mma_tile::keys % each == 0 && each <= 2 * run);
      int const key = g.thread() / (D / n), to = key * mma_tile::pitch(D) + g.thread() % (D / n) * n;
      bool const whole = fetched >= begin && fetched + mma_tile::keys <= end;
      VERBATIM_UNROLL
      for (int first = 0; first < mma_tile::keys; first += each) {
        int const at = fetched + first + key, place_of = to + first * mma_tile::pitch(D);
        // By values that have constant places, not by a place that is chosen: `from` stays in registers.
        std::size_t const lower = from[first / run], upper = from[first / run + each / (run + 1)];
        std::size_t const source = (each > run && key >= run ? upper : lower) + std::size_t(first % run * D + g.thread() * n % (run * D));
        if (whole || (at >= begin && at < end)) {
          g.template copy_async<n>(to_keys, place_of, kv.keys, source);
          g.template copy_async<n>(to_values, place_of, kv.values, source);
        } else {
          to_keys.store_pack(place_of, full_pack<bf16>{});
          to_values.store_pack(place_of, full_pack<bf16>{});
        }
      }
    }
    fetched += mma_tile::keys;
    g.copy_commit();   // also of nothing: the number of groups under way stays the same
  }

  Grid g;
  paged_kv<bf16> const& kv;
  global<int const> pages;
  int kv_head, begin, end, visited, fetched, page, offset;
};

}  // namespace verbatim::kernel
