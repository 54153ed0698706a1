// The linear layer for Hopper, wherever it runs (launches.hpp): near the exact product within what its tree of sums can lose, and the same bits
// for any number of rows, tile, split over blocks, company and order of threads and copies. Tiles hold every weight, once.
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "launches.hpp"
#include "verbatim/kernel/sm90/merge.hpp"

using namespace verbatim;
using namespace verbatim::kernel;
using namespace verbatim::kernel::sm90;
using namespace kernel_tests;

namespace {

/// One multiplication, of which any rows can be computed by any kernel.
template <class Out> struct product_of {
  int rows, outputs, k;
  bool with_bias, with_residual;
  memory<bf16> x, w, tiles;
  memory<float> bias;
  memory<Out> residual;

  product_of(int rows_, int outputs_, int k_, bool with_bias_, bool with_residual_)
      : rows(rows_), outputs(outputs_), k(k_), with_bias(with_bias_), with_residual(with_residual_), x(random_values<bf16>(std::size_t(rows_ * k_), 1)),
        w(random_values<bf16>(std::size_t(outputs_ * k_), 2)), tiles(weight_elements(outputs_, k_)), bias(random_values<float>(std::size_t(outputs_), 3)),
        residual(random_values<Out>(std::size_t(rows_ * outputs_), 4)) {
    launch(tile_weights{{w, tiles, outputs, k}});
  }
  /// Rows [first, first + count). Activations of rows that are not there are NaN.
  template <int Rows, int Groups> memory<Out> compute(int first, int count, int leaves_each, std::uint64_t seed) {
    int const groups = groups_for(count, Rows);
    memory<bf16> xs(activation_elements(groups, k));
    launch(tile_activations{{{x.data() + first * k, std::size_t(count * k)}, xs, count, k}, groups});
    for (int r = count; r < groups * group_rows; ++r)
      for (int i = 0; i < k; ++i) xs[activation_pack(r, i, groups) * 8 + std::size_t(i % 8)] = bf16{0x7fc0};
    memory<Out> y(std::size_t(count * outputs), from_float<Out>(77));
    memory<float> partial(leaves_each > 0 ? std::size_t(leaves_of(k) * count * outputs) : 0, 55.0f);
    verbatim::kernel::sm90::linear_params<Out> p{xs, tiles, {}, {}, y, partial, count, outputs, k, groups, leaves_each};
    if (with_bias) p.bias = bias;
    if (with_residual) p.residual = {residual.data() + first * outputs, std::size_t(count * outputs)};
    launch(linear<Out, Rows, Groups>{p}, seed);
    if (leaves_each > 0) launch(merge_leaves<Out>{p}, seed);
    return y;
  }
  /// The worst error beyond what is allowed, which must not be positive. A leaf is a chain of fma, leaves are added: each of at most
  /// 512 + leaves + 1 roundings loses 2^-24 of a partial sum, which the sum of magnitudes bounds. Then what Out rounds.
  double excess(memory<Out>& y) {
    double worst = -1;
    double const epsilon = (linear_leaf + leaves_of(k) + 1) * 0x1p-24, of_out = sizeof(Out) == 2 ? 0x1p-8 : 0x1p-24;
    for (int r = 0; r < rows; ++r)
      for (int o = 0; o < outputs; ++o) {
        std::size_t const at = std::size_t(r * outputs + o);
        double exact = with_bias ? double(bias[std::size_t(o)]) : 0, magnitude = std::abs(exact);
        for (int i = 0; i < k; ++i) {
          double const term = double(to_float(x[std::size_t(r * k + i)])) * double(to_float(w[std::size_t(o * k + i)]));
          exact += term, magnitude += std::abs(term);
        }
        double allowed = magnitude * epsilon;
        allowed += (std::abs(exact) + allowed) * of_out;
        if (with_residual) exact += double(to_float(residual[at])), allowed += (std::abs(exact) + allowed) * (of_out + 0x1p-24);
        worst = std::max(worst, std::abs(exact - double(to_float(y[at]))) - allowed);
      }
    return worst;
  }
};

template <class Out> void check_bits() {
  product_of<Out> p(19, 136, 1608, true, true);
  auto const all = [&] { auto y = p.template compute<8, 1>(0, 19, 0, 0); CHECK(p.excess(y) <= 0); return y; };
  auto expected = all();
  auto const check = [&](char const* what, int first, memory<Out> y) {
    INFO(what);
    CHECK(same(expected.data() + first * p.outputs, y.data(), y.size));
  };
  check("16 rows", 0, p.template compute<16, 1>(0, 19, 0, 1));
  check("32 rows", 0, p.template compute<32, 1>(0, 19, 0, 2));
  check("128 rows", 0, p.template compute<128, 1>(0, 19, 0, 3));
  check("two warpgroups", 0, p.template compute<8, 2>(0, 19, 0, 4));
  check("64 rows, two warpgroups", 0, p.template compute<64, 2>(0, 19, 0, 5));
  check("a leaf a block", 0, p.template compute<8, 1>(0, 19, 1, 6));
  check("two leaves a block", 0, p.template compute<16, 2>(0, 19, 2, 7));
  check("three leaves a block", 0, p.template compute<32, 1>(0, 19, 3, 8));
  check("one row alone", 7, p.template compute<8, 1>(7, 1, 0, 9));
  check("the last row, split", 18, p.template compute<8, 1>(18, 1, 1, 10));
  for (std::uint64_t seed = 11; seed < 15; ++seed) check("another order", 0, p.template compute<8, 1>(0, 19, 0, seed));
}

}  // namespace

TEST_CASE("weights go to tiles and come back, and tiles end with zeros") {
  if (!can_launch()) return;
  for (auto [rows, k] : {std::pair{64, 64}, {1, 8}, {65, 72}, {200, 136}}) {
    auto w = random_values<bf16>(std::size_t(rows * k), 5);
    memory<bf16> tiles(weight_elements(rows, k)), back(w.size, bf16{0x7fc2});
    launch(tile_weights{{w, tiles, rows, k}}, 3);
    launch(untile_weights{{{tiles, back, rows, k}}}, 4);
    CHECK(same(w.data(), back.data(), w.size));
    std::size_t zeros = 0, others = 0;
    for (std::size_t i = 0; i < tiles.size; ++i) (tiles[i].bits == 0 ? zeros : others) += 1;
    std::size_t own_zeros = 0;
    for (std::size_t i = 0; i < w.size; ++i) own_zeros += w[i].bits == 0;
    CHECK(zeros == tiles.size - w.size + own_zeros);
    CHECK(others == w.size - own_zeros);
  }
}

TEST_CASE("a tile is what the 128-byte swizzle makes of rows") {
  // PTX ISA, figure of the k-major 128-byte swizzle: chunk c of row r of an atom lies at chunk c ^ r.
  for (int r = 0; r < 8; ++r)
    for (int c = 0; c < 8; ++c) CHECK(atom_pack(r, 8 * c) == 8 * r + (c ^ r));
  CHECK(weight_pack(0, 64, 128) == 512);
  CHECK(weight_pack(64, 0, 128) == 1024);
  CHECK(weight_pack(8, 0, 128) == 64);
  CHECK(activation_pack(8, 0, 3) == 64);
  CHECK(activation_pack(0, 64, 3) == 192);
  CHECK(simt::matrix_descriptor(0x2420) == (0x242ull | 1ull << 16 | 64ull << 32 | 1ull << 62));
}

TEST_CASE("a thread has the elements of a result that PTX says") {
  // Figure 149: warp w has rows 16 w .. 16 w + 15; lane l has row l / 4 and eight on, columns 2 (l % 4) and the next, then eight columns on.
  auto const is = [](int thread, int i, int row, int column) {
    auto const e = simt::accumulator_element(thread, i);
    return e.row == row && e.column == column;
  };
  CHECK((is(0, 0, 0, 0) && is(0, 1, 0, 1) && is(0, 2, 8, 0) && is(0, 3, 8, 1) && is(0, 4, 0, 8) && is(0, 7, 8, 9)));
  CHECK((is(37, 0, 17, 2) && is(37, 3, 25, 3) && is(127, 0, 55, 6) && is(127, 127, 63, 255) && is(128 + 37, 5, 17, 11)));
}

TEST_CASE("a product is near the exact one, with bias, residual and edges of every kind") {
  if (!can_launch()) return;
  SECTION("one tile") {
    product_of<float> p(8, 64, 64, false, false);
    auto y = p.compute<8, 1>(0, 8, 0, 0);
    CHECK(p.excess(y) <= 0);
  }
  SECTION("edges of rows, outputs and k, all in f32") {
    product_of<float> p(11, 72, 584, true, false);
    auto y = p.compute<8, 1>(0, 11, 0, 1);
    CHECK(p.excess(y) <= 0);
  }
  SECTION("residual, in bf16") {
    product_of<bf16> p(5, 136, 1096, true, true);
    auto y = p.compute<16, 1>(0, 5, 0, 2);
    CHECK(p.excess(y) <= 0);
  }
  SECTION("two warpgroups, of which the last block needs one") {
    product_of<bf16> p(20, 190, 648, false, true);
    auto y = p.compute<32, 2>(0, 20, 0, 3);
    CHECK(p.excess(y) <= 0);
  }
}

// In f32 too: there the order in which leaves are added shows, which bf16 mostly rounds away.
TEST_CASE("bits depend on a row of x and a row of w alone") {
  if (!can_launch()) return;
  check_bits<bf16>();
  check_bits<float>();
}

TEST_CASE("many tiles of rows are dealt out once each") {
  if (!can_launch()) return;
  product_of<float> p(75, 200, 64, false, false);   // ten tiles of rows: a band of eight and one of two, by four and by two columns
  auto y = p.compute<8, 1>(0, 75, 0, 0), z = p.compute<8, 2>(0, 75, 0, 1);
  CHECK(p.excess(y) <= 0);
  CHECK(same(y.data(), z.data(), y.size));
}
