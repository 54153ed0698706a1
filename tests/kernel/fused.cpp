// What kernels do besides their own work gives the bits of the kernels that do it alone: results stored in tiles are those of rows that
// are brought into tiles; products that gate, merges that norm, and appends that merge, norm and rotate are those of one kernel each.
#include <cstring>
#include <random>
#include <vector>

#include "launches.hpp"
#include "verbatim/kernel/merge_attention.hpp"
#include "verbatim/kernel/mma_attention.hpp"
#include "verbatim/kernel/rope_append.hpp"
#include "verbatim/kernel/sm90/merge.hpp"

using namespace verbatim;
using namespace verbatim::kernel;
using namespace kernel_tests;

namespace {

constexpr bf16 untouched{0x7fc3};
/// Sums of leaves that give another result in another order, in bf16 too: the second and the third of three are large and cancel.
memory<float> sums_of_leaves(int leaves, std::size_t each) {
  auto sums = random_values<float>(std::size_t(leaves) * each, 1);
  for (std::size_t i = 0; leaves == 3 && i < each; ++i) sums[each + i] *= 0x1p20f, sums[2 * each + i] = -sums[each + i];
  return sums;
}

/// Whether store(y, groups) leaves in tiles what it leaves in rows, zeros behind them, and no more.
template <class Store> bool same_in_tiles(int rows, int width, int groups, Store store) {
  memory<bf16> in_rows(std::size_t(rows * width), untouched), tiles(sm90::activation_elements(groups, width), untouched), expected(tiles.size);
  store(in_rows, 0);
  store(tiles, groups);
  launch(sm90::tile_activations{{in_rows, expected, rows, width}, groups}, 1);
  for (int row = rows; row < groups * sm90::group_rows; ++row)   // rows that are not there
    for (int k = 0; k < stored_columns(width, groups); ++k) expected[activation_at<bf16>(row, k, width, groups)] = untouched;
  return std::memcmp(tiles.data(), expected.data(), tiles.size * sizeof(bf16)) == 0;
}

/// One sequence of `rows` tokens from position `first` on, its keys and values in pages of 16.
template <int D> struct attention_problem {
  int heads, kv_heads, rows, first;
  memory<bf16> q = random_values<bf16>(std::size_t(rows * heads * D), 1);
  memory<int> of_sequence = memory<int>(8), pages = memory<int>(std::size_t((first + rows + 15) / 16)), positions = memory<int>(std::size_t(rows));
  memory<bf16> keys = random_values<bf16>(pages.size * std::size_t(16 * kv_heads * D), 2), values = random_values<bf16>(keys.size, 3);
  memory<float> partial = memory<float>(std::size_t(rows * heads * 4 * (D + 2)));

  attention_params<bf16> with(global<bf16> out, int groups) {
    of_sequence[0] = 0, of_sequence[1] = rows, of_sequence[2] = first;
    for (std::size_t i = 0; i < pages.size; ++i) pages[i] = int(i);
    for (int r = 0; r < rows; ++r) positions[std::size_t(r)] = first + r;
    auto const one = [&](int i) { return global<int const>{of_sequence.data() + i, 1}; };
    return {q, out, {keys, values, 16, kv_heads, D}, {one(0), one(1), one(2), pages, 1, int(pages.size)}, heads, rows, 64, 0, rows, 4, partial, groups};
  }
};

/// [gate, up] of x, 19 rows of k.
struct gate_problem {
  static constexpr int rows = 19;
  int width, k;
  memory<bf16> x = random_values<bf16>(std::size_t(rows * k), 1), w = random_values<bf16>(std::size_t(2 * width * k), 2);
  memory<float> bias = random_values<float>(std::size_t(2 * width), 3);

  /// The product alone, of parts one behind the other or alternating, or gated.
  template <int Rows, int Groups> memory<bf16> multiply(bool alternate, sm90::pairing pairs, int y_groups, int leaves_each, std::uint64_t seed) {
    int const groups = sm90::groups_for(rows, Rows);
    memory<bf16> xs(sm90::activation_elements(groups, k)), ws(sm90::weight_elements(2 * width, k));
    launch(sm90::tile_activations{{x, xs, rows, k}, groups}, 1);
    for (int part = 0; part < 2; ++part) {   // in two pieces, the second of which begins anywhere
      int const pieces[] = {0, 13, width};
      for (int i = 0; i < 2; ++i) {
        int const first = pieces[i], count = pieces[i + 1] - first;
        global<bf16 const> const from{w.data() + (part * width + first) * k, std::size_t(count * k)};
        launch(sm90::tile_weights{{from, ws, count, k}, (alternate ? 0 : part * width) + first, alternate ? part : -1}, 2);
      }
    }
    bool const gates = pairs == sm90::pairing::gated;
    memory<bf16> y(y_groups > 0 ? sm90::activation_elements(y_groups, width) : std::size_t(rows * (gates ? width : 2 * width)), untouched);
    memory<float> partial(leaves_each > 0 ? std::size_t(sm90::leaves_of(k) * rows * 2 * width) : 0);
    sm90::linear_params<bf16> const p{xs, ws, bias, {}, y, partial, rows, 2 * width, k, groups, leaves_each, pairs, y_groups};
    launch(sm90::linear<bf16, Rows, Groups>{p}, seed);
    if (leaves_each > 0) launch(sm90::merge_leaves<bf16>{p}, seed);
    return y;
  }
};

/// Heads of a product of which leaves are to be merged: rows at positions of two sequences, one row of none.
template <class T> void check_heads(int d, bool with_bias, bool with_norms, int leaves) {
  int const rows = 5, heads = 6, kv_heads = 2, page = 16, pages_each = 3, columns = (heads + 2 * kv_heads) * d;
  auto partial = sums_of_leaves(leaves, std::size_t(rows * columns)), bias = random_values<float>(std::size_t(columns), 2);
  auto q_norm = random_values<float>(std::size_t(d), 3), k_norm = random_values<float>(std::size_t(d), 4);
  auto cosine = random_values<float>(std::size_t(rows * d / 2), 5), sine = random_values<float>(cosine.size, 6);
  for (auto* m : {&cosine, &sine})
    for (std::size_t i = 0; i < m->size; ++i) (*m)[i] = rounded_to<T>((*m)[i]);
  memory<int> positions(std::size_t(rows), 0), of(positions.size), pages(2 * pages_each), none(2);
  for (int r = 0; r < rows; ++r) positions[std::size_t(r)] = 40 - 7 * r, of[std::size_t(r)] = r == 3 ? -1 : r % 2;
  for (int i = 0; i < 2 * pages_each; ++i) pages[std::size_t(i)] = 2 * pages_each - 1 - i;
  std::size_t const cells = std::size_t(2 * pages_each * page * kv_heads * d);
  struct results { memory<T> q, keys, values; };
  auto const append = [&](global<T const> qkv, bool all_in_one, std::uint64_t seed) {
    T const seven = from_float<T>(7);
    results r{memory<T>(std::size_t(rows * heads * d), seven), memory<T>(cells, seven), memory<T>(cells, seven)};
    rope_append_params<T> p{qkv, r.q, cosine, sine, positions, of, {none, none, none, pages, 2, pages_each}, {r.keys, r.values, page, kv_heads, d}, rows, heads};
    if (all_in_one && with_norms) p.q_norm = q_norm, p.k_norm = k_norm, p.eps = 1e-6f;
    if (all_in_one && leaves > 0) {
      p.partial = partial, p.leaves = leaves, p.qkv = {};
      if (with_bias) p.bias = bias;
    }
    launch(p, seed);
    return r;
  };
  auto qkv = random_values<T>(std::size_t(rows * columns), 7);
  if constexpr (sizeof(T) == 2)
    if (leaves > 0) {
      sm90::linear_params<bf16> p{{}, {}, {}, {}, qkv, partial, rows, columns, leaves * linear_leaf, 1, 1};
      if (with_bias) p.bias = bias;
      launch(sm90::merge_leaves<bf16>{p}, 8);
    }
  auto fused = append(qkv, true, 9);
  if (with_norms) {
    global<T> const q = qkv, k{qkv.data() + heads * d, qkv.size - std::size_t(heads * d)};
    launch(rms_norm_params<T>{q, q_norm, q, rows, d, columns, 1e-6f, heads}, 10);
    launch(rms_norm_params<T>{k, k_norm, k, rows, d, columns, 1e-6f, kv_heads}, 11);
  }
  auto separate = append(qkv, false, 12);
  INFO("heads of " << d << ", " << leaves << " leaves");
  CHECK(same(fused.q, separate.q));
  CHECK(same(fused.keys, separate.keys));
  CHECK(same(fused.values, separate.values));
}

}  // namespace

TEST_CASE("a product that gates is a product and a gate") {
  if (!can_launch()) return;
  using sm90::pairing;
  for (int width : {40, 136}) {   // the last tile of results is half of one of weights, or more
    gate_problem p{width, 1080};
    auto apart = p.multiply<8, 1>(false, pairing::none, 0, 0, 1);
    memory<bf16> expected(std::size_t(p.rows * width)), tiles(sm90::activation_elements(4, width), untouched);
    launch(silu_mul_params<bf16>{apart, expected, p.rows, width}, 2);
    launch(silu_mul_params<bf16>{apart, tiles, p.rows, width, 4}, 3);
    auto const is = [](memory<bf16> got, memory<bf16>& wanted) { return same(got, wanted); };
    CHECK(is(p.multiply<32, 1>(true, pairing::apart, 0, 0, 4), apart));
    CHECK(is(p.multiply<8, 2>(true, pairing::apart, 0, 1, 5), apart));
    CHECK(is(p.multiply<8, 1>(true, pairing::gated, 0, 0, 6), expected));
    CHECK(is(p.multiply<32, 1>(true, pairing::gated, 4, 0, 7), tiles));
    CHECK(is(p.multiply<16, 2>(true, pairing::gated, 4, 0, 8), tiles));
    CHECK(is(p.multiply<32, 1>(true, pairing::gated, 4, 1, 9), tiles));
    CHECK(is(p.multiply<32, 1>(true, pairing::gated, 0, 2, 10), expected));
  }
}

TEST_CASE("parts that alternate come back from tiles") {
  if (!can_launch()) return;
  auto w = random_values<bf16>(std::size_t(2 * 40 * 72), 1);
  memory<bf16> tiles(sm90::weight_elements(80, 72)), back(w.size);
  for (int part = 0; part < 2; ++part) {
    global<bf16> const half{w.data() + part * 40 * 72, 40 * 72};
    launch(sm90::tile_weights{{half, tiles, 40, 72}, 0, part}, 2);
  }
  for (int row = 0; row < 80; ++row) {
    global<bf16> const to{back.data() + row * 72, 72};
    launch(sm90::untile_weights{{{tiles, to, 1, 72}, row % 40, row / 40}}, 3);
  }
  CHECK(same(w, back));
}

TEST_CASE("a merge that norms is a merge and a norm") {
  if (!can_launch()) return;
  for (auto [rows, width, leaves, groups] : {std::tuple{1, 72, 2, 1}, {11, 264, 3, 2}, {3, 2056, 1, 1}, {2, 128, 5, 0}}) {
    auto partial = sums_of_leaves(leaves, std::size_t(rows * width)), norm = random_values<float>(std::size_t(width), 2),
         bias = random_values<float>(std::size_t(width), 3);
    auto x = random_values<bf16>(std::size_t(rows * width), 4), y = x;
    std::size_t const size = groups > 0 ? sm90::activation_elements(groups, width) : x.size;
    memory<bf16> fused(size, untouched), separate(size, untouched);
    sm90::linear_params<bf16> p{{}, {}, bias, x, x, partial, rows, width, leaves * linear_leaf, 1, 1};
    launch(sm90::merge_norm{p, norm, fused, 1e-6f, groups}, 5);
    p.residual = y, p.y = y;
    launch(sm90::merge_leaves<bf16>{p}, 6);
    launch(rms_norm_params<bf16>{y, norm, separate, rows, width, width, 1e-6f, 1, groups}, 7);
    CHECK(same(x, y));
    CHECK(same(fused, separate));
  }
}

TEST_CASE("an append that merges, norms and rotates is a merge, two norms and an append") {
  if (!can_launch()) return;
  for (int d : {32, 64, 128}) {
    for (int leaves : {0, 1, 3}) check_heads<bf16>(d, leaves > 1, d != 64 || leaves > 0, leaves);
    check_heads<float>(d, false, true, 0);
  }
}

TEST_CASE("norms and gates stored in tiles are those of rows") {
  if (!can_launch()) return;
  for (auto [rows, width, groups] : {std::tuple{1, 72, 1}, {11, 128, 2}, {19, 264, 4}, {3, 2056, 1}}) {
    auto x = random_values<bf16>(std::size_t(rows * 2 * width), 4);
    auto w = random_values<float>(std::size_t(width), 5);
    CHECK(same_in_tiles(rows, width, groups, [&](global<bf16> y, int g) { launch(rms_norm_params<bf16>{x, w, y, rows, width, width, 1e-6f, 1, g}, 2); }));
    CHECK(same_in_tiles(rows, width, groups, [&](global<bf16> y, int g) { launch(silu_mul_params<bf16>{x, y, rows, width, g}, 3); }));
  }
}

TEST_CASE("attention stored in tiles is that of rows") {
  if (!can_launch()) return;
  for (int heads : {2, 3}) {   // three heads of 32 end within a tile
    attention_problem<32> p{heads, 1, 11, 60};
    CHECK(same_in_tiles(11, heads * 32, 2, [&](global<bf16> y, int g) { launch(row_attention<bf16, 8, 32>{p.with(y, g)}, 4); }));
    CHECK(same_in_tiles(11, heads * 32, 2, [&](global<bf16> y, int g) {
      launch(split_attention<bf16, 8, 32>{p.with(y, g)}, 5);
      launch(merge_attention<bf16, 32>{p.with(y, g), p.positions}, 6);
    }));
  }
  attention_problem<64> p{6, 2, 9, 60};
  CHECK(same_in_tiles(9, 6 * 64, 2, [&](global<bf16> y, int g) { launch(mma_row_attention<64, 4>{p.with(y, g)}, 7); }));
}
