// The kernel that merges the leaves of decode attention against its definition, which is serial: leaf after leaf, in ascending order. Bit for
// bit, over random leaves, one to several hundred of them, with windows, with leaves of which nothing is seen, and in any order of threads.
#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "launches.hpp"
#include "verbatim/kernel/merge_attention.hpp"

using namespace verbatim;
using namespace verbatim::kernel;
using namespace kernel_tests;

namespace {

/// How the maxima of leaves follow one another: it decides which scales are 1, which are 0 and which are in between.
enum class maxima { around, rising, falling, far_apart, zeros };

template <class T, int D> struct rows_of_leaves {
  static constexpr int heads = 2, leaf = 16;
  buffer<int> positions;
  int window, max_leaves;
  buffer<float> partial;

  rows_of_leaves(std::vector<int> const& at, int window, maxima how, double empty, std::uint32_t seed) : positions(at.begin(), at.end()), window(window) {
    int furthest = 0;
    for (int p : at) furthest = std::max(furthest, p);
    max_leaves = furthest / leaf + 2;   // one more than needed, as under a graph
    partial.assign(at.size() * std::size_t(heads * max_leaves * (D + 2)), NAN);   // what a row does not see nobody has written
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<double> chance;
    for (std::size_t q = 0; q < at.size() * heads; ++q) {
      auto const [first, end] = leaves_of(at[q / heads]);
      for (int l = first; l < end; ++l) {
        float* const to = leaf_of(q, l);
        double const luck = chance(random);
        if (luck < empty) {   // nothing was seen: no maximum, no sum, and values that must not matter
          to[D] = luck < empty / 3 ? -INFINITY : NAN, to[D + 1] = luck < empty / 2 ? 0.0f : NAN;
          continue;
        }
        for (int d = 0; d < D; ++d) to[d] = 30 * normal(random);
        float const x = normal(random);
        to[D] = how == maxima::around ? 5 * x : how == maxima::rising ? 0.3f * float(l) + x : how == maxima::falling ? x - 0.3f * float(l)
              : how == maxima::far_apart ? 90 * x : x > 0 ? 0.0f : -0.0f;
        to[D + 1] = 1 + 15 * float(chance(random));
      }
    }
  }
  std::pair<int, int> leaves_of(int position) const {
    int const end = position + 1, begin = window > 0 && end > window ? end - window : 0;
    return {begin / leaf, (end + leaf - 1) / leaf};
  }
  float* leaf_of(std::size_t query, int l) { return partial.data() + (query * std::size_t(max_leaves) + std::size_t(l)) * std::size_t(D + 2); }

  buffer<T> by_definition() {
    buffer<T> out(positions.size() * heads * D);
    for (std::size_t q = 0; q < positions.size() * heads; ++q) {
      auto const [first, end] = leaves_of(positions[q / heads]);
      for (int d = 0; d < D; ++d) {
        float maximum = -INFINITY, total = 0, value = 0;
        for (int l = first; l < end; ++l) {
          float const* const of = leaf_of(q, l);
          if (!(of[D + 1] > 0)) continue;
          float const together = math::max(of[D], maximum), so_far = math::exp(maximum - together), next = math::exp(of[D] - together);
          maximum = together;
          total = math::fma(of[D + 1], next, product(total, so_far));
          value = math::fma(of[d], next, product(value, so_far));
        }
        out[q * D + std::size_t(d)] = from_float<T>(total > 0 ? value / total : 0.0f);
      }
    }
    return out;
  }
  buffer<T> by_kernel(std::uint64_t order) {
    buffer<T> out(positions.size() * heads * D, from_float<T>(99));
    attention_params<T> p{};
    p.out = span_of(out), p.partial = span_of(partial);
    p.heads = heads, p.rows = int(positions.size()), p.leaf = leaf, p.window = window, p.max_leaves = max_leaves;
    launch(merge_attention<T, D>{p, span_of(std::as_const(positions))}, order);
    return out;
  }
};

template <class T, int D> void check(std::vector<int> const& positions, int window, maxima how, double empty, std::uint32_t seed) {
  INFO("D " << D << ", last position " << positions.back() << ", window " << window << ", maxima " << int(how) << ", empty " << empty << ", seed " << seed);
  rows_of_leaves<T, D> leaves(positions, window, how, empty, seed);
  auto const expected = leaves.by_definition();
  for (std::uint64_t order : {std::uint64_t(0), std::uint64_t(seed) + 1}) {
    auto const got = leaves.by_kernel(order);
    CHECK(same(got.data(), expected.data(), expected.size()));
  }
  CHECK(std::all_of(expected.begin(), expected.end(), [](T v) { return std::isfinite(to_float(v)); }));
}

template <class T, int D> void check_all() {
  constexpr int leaf = 16;
  std::uint32_t seed = 0;
  for (auto how : {maxima::around, maxima::rising, maxima::falling, maxima::far_apart, maxima::zeros}) {
    for (double empty : {0.0, 0.2, 0.9}) check<T, D>({0, 15, 16, 5 * leaf + 3, 31 * leaf, 32 * leaf - 1}, 0, how, empty, ++seed);
    check<T, D>({7 * leaf, 8 * leaf - 1, 8 * leaf, 16 * leaf - 1, 16 * leaf, 25 * leaf}, 0, how, 0.2, ++seed);   // around parts of a round
    check<T, D>({-1, D * leaf - 1, D * leaf, (D + 33) * leaf, 2 * D * leaf + 7}, 0, how, 0.1, ++seed);      // around chunks; and a row that fills up
    check<T, D>({9, 3 * leaf + 4, 70 * leaf + 1, (D + 40) * leaf}, 33 * leaf + 5, how, 0.1, ++seed);        // a window that begins within a leaf
  }
}

}  // namespace

TEST_CASE("leaves of attention merge to the bits of the serial definition, f32") {
  if (!can_launch()) return;
  check_all<float, 32>();
  check_all<float, 64>();
  check_all<float, 128>();
}

TEST_CASE("leaves of attention merge to the bits of the serial definition, bf16") {
  if (!can_launch()) return;
  check_all<bf16, 32>();
  check_all<bf16, 128>();
}

TEST_CASE("leaves of attention merge to the bits of the serial definition, hundreds of them in random numbers") {
  if (!can_launch()) return;
  std::mt19937 random(7);
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    int const position = int(random() % (700 * 16)), window = seed % 3 == 0 ? 1 + int(random() % (600 * 16)) : 0;
    check<float, 64>({position}, window, maxima(seed % 5), seed % 4 * 0.15, 100 + seed);
  }
}

TEST_CASE("leaves of attention of which nothing was seen give zeros") {
  if (!can_launch()) return;
  rows_of_leaves<float, 32> leaves({40 * 16}, 0, maxima::around, 1.0, 3);
  auto const got = leaves.by_kernel(1);
  for (float v : got) CHECK((v == 0 && !std::signbit(v)));
}
