// Attention of a tile of 16 query rows to one leaf of keys on tensor cores, by one warp, in bf16: the piece that decode, prefill and
// shared prefixes have in common, so that they share its bits. Key tiles of 64 absolute positions come in ascending order; of each:
// S = Q K^T, a chain of mma in ascending dimension; the running maximum; weights 2^(c S - c max), c = log2(e) / sqrt(d), their sum in
// f32, four lanes of 16 each; weights rounded to bf16; O += W V, a chain of mma in ascending positions. At a new maximum, sum and O
// are scaled: a tile that a row does not see leaves its maximum, scales by exactly 1 and adds exact zeros.
// So a row's bits depend on its query, its positions and their keys and values alone (batch_invariant), if an element of an mma
// depends on its row of A, its column of B and its C alone, and a zero of A contributes nothing: to be held against hardware. Values
// must be finite: a NaN at a position that a row does not see, but another row of its tile does, reaches both.
// Error: 2^-8 of sum |weight * value|, bf16's rounding of weights (the sum has them unrounded); what f32 and the exponential add is below 2^-17.
#pragma once
#include "verbatim/kernel/attention_leaf.hpp"

namespace verbatim::kernel {

struct mma_tile {
  static constexpr int rows = 16, keys = 64;
  VERBATIM_HD static constexpr int pitch(int d) { return d + 8; }   ///< of a staged key: rows that load_matrix reads together lie in different banks
};

/// A lane's two rows of a tile, and what the rows of the tile see: nothing outside [begin, end), everything within [all_begin, all_end).
struct tile_rows {
  struct row {
    int query;        ///< row * heads + head
    int begin, end;   ///< positions it sees
    bool stored;      ///< false: repeats another row to fill the tile
  };
  row of[2];
  int begin, end, all_begin, all_end;
};

/// Queries first, first + 1, ... of a block; the last one repeats. Nothing is seen where there is none.
VERBATIM_KERNEL tile_rows rows_of(query_block const& b, int heads, int first, int lane) {
  tile_rows t{};
  if (first >= b.count) return t;
  int const last = b.count - 1, last_of_tile = first + mma_tile::rows - 1 < last ? first + mma_tile::rows - 1 : last;
  for (int h = 0; h < 2; ++h) {
    int const i = first + lane / 4 + 8 * h, q = i < last ? i : last;
    t.of[h] = {int(b.column(q, heads, 1)), b.begin_of(q), b.end_of(q), i <= last};
  }
  t.begin = b.begin_of(first), t.end = b.end_of(last_of_tile), t.all_begin = b.begin_of(last_of_tile), t.all_end = b.end_of(first);
  return t;
}

#if defined(__CUDA_ARCH__)
VERBATIM_KERNEL float larger(float a, float b) { return fmaxf(a, b); }   // one instruction
VERBATIM_KERNEL float at_least(float bound, float x) {
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(x) : "f"(x), "f"(bound));
  return x;
}
#else
VERBATIM_KERNEL float larger(float a, float b) { return math::max(a, b); }
VERBATIM_KERNEL float at_least(float bound, float x) { return x < bound ? bound : x; }   // NaN stays
#endif

/// 2^x for x <= 0 and little above; exactly 1 at 0, exactly 0 below -126.5, also at -infinity; NaN for NaN. Relative error: 3e-6.
VERBATIM_KERNEL float softmax_weight(float x) {
  x = at_least(-127.0f, x);
  float const shifted = sum(x, math::round_shift), r = sum(x, -sum(shifted, -math::round_shift));
  float p = 0x1.3a02ccp-7f;   // minimax on [-1/2, 1/2], with 1 at 0
  p = math::fma(p, r, 0x1.c9fc46p-5f);
  p = math::fma(p, r, 0x1.ec0378p-3f);
  p = math::fma(p, r, 0x1.62e12cp-1f);
  p = math::fma(p, r, 1.0f);
  return product(p, bits_as<float>((bits_as<std::uint32_t>(shifted) + 127u) << 23));   // at -127 by 0
}

/// A tile's queries in registers, straight from memory.
template <class Grid, int D> struct held_queries {
  simt::mma_a block[D / 16];
  VERBATIM_KERNEL held_queries(Grid g, global<bf16 const> q, tile_rows const& rows) {
    VERBATIM_UNROLL
    for (int k = 0; k < D / 16; ++k)
      VERBATIM_UNROLL
      for (int i = 0; i < 4; ++i)
        block[k].part[i] = g.template load_pack<2>(q, std::size_t(rows.of[i % 2].query) * std::size_t(D) + std::size_t(16 * k + 8 * (i / 2) + 2 * (g.thread() % 4)));
  }
  VERBATIM_KERNEL simt::mma_a operator()(int k) const { return block[k]; }
};
/// A warp's queries staged in shared memory, where registers are short.
template <class Grid> struct staged_queries {
  Grid g;
  place rows;   ///< [16, pitch]
  int pitch;
  VERBATIM_KERNEL simt::mma_a operator()(int k) const {
    auto const m = g.template load_matrix<4>(g.template shared<bf16>(rows), g.thread() % 16 * pitch + g.thread() % warp_lanes / 16 * 8 + 16 * k);
    return {{m.part[0], m.part[1], m.part[2], m.part[3]}};
  }
};

/// The state of a leaf: of two rows of the tile, the lane's share of `Columns` columns from `column` on.
template <class Grid, int D, int Columns, class Queries> class mma_leaf {
  static constexpr int pitch = mma_tile::pitch(D), key_blocks = mma_tile::keys / 8;
  static_assert(D == 64 || D == 128);
  static constexpr float scale = D == 64 ? 0x1p-3f : 0x1.6a09e6p-4f;               // 1 / sqrt(D)
  static constexpr float in_bits = D == 64 ? 0x1.715476p-3f : 0x1.0527dcp-3f;      // log2(e) / sqrt(D)

 public:
  static constexpr int column_blocks = Columns / 8;
  static_assert(D % 16 == 0 && Columns % 16 == 0);

  VERBATIM_KERNEL mma_leaf(Grid g, tile_rows const& rows, Queries const& queries, int column) : g(g), rows(rows), queries(queries), column(column) { clear(); }
  VERBATIM_KERNEL void clear() {
    for (int h = 0; h < 2; ++h) top[h] = -__builtin_inff(), total[h] = 0;
    VERBATIM_UNROLL
    for (int n = 0; n < column_blocks; ++n)
      VERBATIM_UNROLL
      for (int e = 0; e < 4; ++e) values[n].value[e] = 0;
  }

  /// Keys and values of positions [position, position + 64), staged; what no row sees of them is zeros.
  VERBATIM_KERNEL void visit(place staged_keys, place staged_values, int position) {
    simt::mma_c s[key_blocks];
    score(s, staged_keys);
    if (position < rows.all_begin || position + mma_tile::keys > rows.all_end) mask(s, position);
    soften(s);
    weigh(s, staged_values);
  }
  /// After the last tile of the leaf: the sums of four lanes join; a zero has no sign, whatever scaling made of it.
  VERBATIM_KERNEL void close() {
    VERBATIM_UNROLL
    for (int h = 0; h < 2; ++h) {
      total[h] = sum(total[h], g.shfl_xor(total[h], 1));
      total[h] = sum(total[h], g.shfl_xor(total[h], 2));
    }
    VERBATIM_UNROLL
    for (int n = 0; n < column_blocks; ++n)
      VERBATIM_UNROLL
      for (int e = 0; e < 4; ++e) values[n].value[e] = sum(values[n].value[e], 0.0f);
  }
  /// Of row h, as leaves merge: in units of e. Element e of block n is of row e / 2, column column_of(n) + e % 2.
  VERBATIM_KERNEL float maximum_of(int h) const { return product(top[h], scale); }
  VERBATIM_KERNEL float sum_of(int h) const { return total[h]; }
  VERBATIM_KERNEL float value_of(int n, int e) const { return values[n].value[e]; }
  VERBATIM_KERNEL int column_of(int n) const { return column + 8 * n + 2 * (lane() % 4); }

 private:
  VERBATIM_KERNEL int lane() const { return g.thread() % warp_lanes; }

  VERBATIM_KERNEL void score(simt::mma_c (&s)[key_blocks], place staged) {
    auto const keys = g.template shared<bf16>(staged);
    int const from = (lane() % 8 + lane() / 16 * 8) * pitch + lane() / 8 % 2 * 8;   // a lane's row of four matrices: 16 keys by 16 dimensions
    VERBATIM_UNROLL
    for (int n = 0; n < key_blocks; ++n)
      VERBATIM_UNROLL
      for (int e = 0; e < 4; ++e) s[n].value[e] = 0;
    VERBATIM_UNROLL
    for (int k = 0; k < D / 16; ++k) {
      simt::mma_a const a = queries(k);
      VERBATIM_UNROLL
      for (int n = 0; n < key_blocks; n += 2) {
        auto const b = g.template load_matrix<4>(keys, from + 8 * n * pitch + 16 * k);
        s[n] = g.mma(a, {b.part[0], b.part[1]}, s[n]);
        s[n + 1] = g.mma(a, {b.part[2], b.part[3]}, s[n + 1]);
      }
    }
  }

  /// A score that its row does not see: -infinity, whose weight is exactly 0.
  VERBATIM_KERNEL void mask(simt::mma_c (&s)[key_blocks], int position) const {
    VERBATIM_UNROLL
    for (int n = 0; n < key_blocks; ++n)
      VERBATIM_UNROLL
      for (int e = 0; e < 4; ++e) {
        int const at = position + 8 * n + 2 * (lane() % 4) + e % 2;
        bool const seen = at >= rows.of[e / 2].begin && at < rows.of[e / 2].end;
        s[n].value[e] = seen ? s[n].value[e] : -__builtin_inff();
      }
  }

  /// Scores become weights; the state is scaled to the new maximum.
  VERBATIM_KERNEL void soften(simt::mma_c (&s)[key_blocks]) {
    VERBATIM_UNROLL
    for (int h = 0; h < 2; ++h) {
      float next = top[h];
      VERBATIM_UNROLL
      for (int n = 0; n < key_blocks; ++n) next = larger(next, larger(s[n].value[2 * h], s[n].value[2 * h + 1]));
      next = larger(next, g.shfl_xor(next, 1));
      next = larger(next, g.shfl_xor(next, 2));
      float const base = next == -__builtin_inff() ? 0.0f : product(next, in_bits);   // nothing seen so far: no -inf - -inf
      float const old = softmax_weight(sum(product(top[h], in_bits), -base));
      top[h] = next;
      total[h] = product(total[h], old);
      VERBATIM_UNROLL
      for (int n = 0; n < column_blocks; ++n)
        for (int e = 2 * h; e < 2 * h + 2; ++e) values[n].value[e] = product(values[n].value[e], old);
      VERBATIM_UNROLL
      for (int n = 0; n < key_blocks; ++n)
        VERBATIM_UNROLL
        for (int e = 2 * h; e < 2 * h + 2; ++e) {
          s[n].value[e] = softmax_weight(math::fma(s[n].value[e], in_bits, -base));
          total[h] = sum(total[h], s[n].value[e]);
        }
    }
  }

  VERBATIM_KERNEL void weigh(simt::mma_c const (&w)[key_blocks], place staged) {
    auto const v = g.template shared<bf16>(staged);
    int const from = lane() % 16 * pitch + column + lane() / 16 * 8;
    VERBATIM_UNROLL
    for (int k = 0; k < mma_tile::keys / 16; ++k) {
      simt::mma_a a;   // what the lane holds of two blocks of scores is what it has to hold of A
      VERBATIM_UNROLL
      for (int i = 0; i < 4; ++i) a.part[i] = rounded_pair(w[2 * k + i / 2].value[i % 2 * 2], w[2 * k + i / 2].value[i % 2 * 2 + 1]);
      VERBATIM_UNROLL
      for (int n = 0; n < column_blocks; n += 2) {
        auto const b = g.template load_matrix<4, true>(v, from + 16 * k * pitch + 8 * n);
        values[n] = g.mma(a, {b.part[0], b.part[1]}, values[n]);
        values[n + 1] = g.mma(a, {b.part[2], b.part[3]}, values[n + 1]);
      }
    }
  }

  Grid g;
  tile_rows const& rows;
  Queries const& queries;
  int column;
  simt::mma_c values[column_blocks];
  float top[2], total[2];
};

}  // namespace verbatim::kernel
