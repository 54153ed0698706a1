#include "verbatim/sampling/gumbel.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "catch.hpp"
#include "verbatim/sampling/chain.hpp"
#include "verbatim/sampling/min_p.hpp"
#include "verbatim/sampling/temperature.hpp"
#include "verbatim/sampling/top_k.hpp"
#include "verbatim/sampling/top_p.hpp"

using namespace verbatim;

namespace {

/// Draws `n` times at n positions and compares with the exact distribution; cells of few expected draws are joined.
template <class Chain> void chi_square(std::vector<float> const& logits, sampling_params const& p, int n) {
  std::vector<int> seen(logits.size());
  std::vector<double> expected(logits.size());
  for (int i = 0; i < n; ++i) {
    auto row = logits;
    auto const s = Chain::pick(Chain::prepare(p, {}, i), row, {});
    REQUIRE(s.id >= 0);
    ++seen[std::size_t(s.id)];
    if (i == 0) {
      double sum = 0;
      for (float x : row) sum += std::exp(double(x));
      for (std::size_t j = 0; j < row.size(); ++j) expected[j] = n * std::exp(double(row[j])) / sum;
    }
  }
  double chi = 0, rest = 0, rest_seen = 0;
  int cells = 0;
  for (std::size_t j = 0; j < seen.size(); ++j) {
    if (expected[j] == 0) REQUIRE(seen[j] == 0);
    if (expected[j] < 10) rest += expected[j], rest_seen += seen[j];
    else chi += (seen[j] - expected[j]) * (seen[j] - expected[j]) / expected[j], ++cells;
  }
  if (rest >= 10) chi += (rest_seen - rest) * (rest_seen - rest) / rest, ++cells;
  INFO("chi square " << chi << " with " << cells << " cells");
  CHECK(chi < (cells - 1) + 4 * std::sqrt(2.0 * std::max(1, cells - 1)) + 4);   // four standard deviations
}

std::vector<float> random_row(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> bell(0, 2);
  std::vector<float> row(n);
  for (float& x : row) x = bell(random);
  return row;
}

}  // namespace

TEST_CASE("sampling/gumbel draws from the exact distribution") {
  using plain = sample<temperature, gumbel>;
  using cut = sample<temperature, top_k, top_p, min_p, gumbel>;
  sampling_params p;
  p.seed = 12345;
  chi_square<plain>(random_row(7, 1), p, 40000);
  chi_square<plain>(random_row(700, 2), p, 40000);
  chi_square<plain>(std::vector<float>(300, 0.0f), p, 60000);
  p.temperature = 0.6f;
  chi_square<plain>(random_row(300, 3), p, 40000);
  p.temperature = 1.3f, p.top_k = 50, p.top_p = 0.8f, p.min_p = 0.02f;
  chi_square<cut>(random_row(1000, 4), p, 40000);
}

TEST_CASE("sampling/gumbel noise has the moments of Gumbel's law") {
  detail::noise_stream const noise(42, 7);
  double sum = 0, square = 0, most = -100;
  int const n = 200000;
  for (int i = 0; i < n; ++i) {
    double const g = noise.gumbel(i);
    sum += g, square += g * g, most = std::max(most, g);
  }
  double const mean = sum / n;
  CHECK(mean == Approx(0.5772156649).margin(0.015));                 // five standard errors
  CHECK(square / n - mean * mean == Approx(1.644934).margin(0.04));
  CHECK(most > 9);
  CHECK(most < noise_bound);
  double const least_word = -std::log(-std::log1p(-0x1p-49));
  CHECK(least_word < double(noise_bound));
}

TEST_CASE("sampling/gumbel: the upper bits of a number bound its noise") {
  gumbel_noise const noise{philox_key_of(5), 3};
  int beyond = 0;
  for (std::uint32_t upper = 0; upper < 65536; ++upper)
    for (token id : {token(upper), token(3 * upper + 1)}) beyond += double(least_noise(upper)) > noise.value(id, upper);
  CHECK(beyond == 0);
  CHECK(double(least_noise(65535)) < -std::log(-std::log(0x1p-49)));
  for (std::uint32_t upper : {0u, 1u, 100u, 0x3ffeu}) CHECK(double(least_noise(upper)) > -std::log(-std::log1p(-double(upper + 1) * 0x1p-16)) - 0.3);
}

TEST_CASE("sampling/gumbel: skipping what cannot win changes no draw, and any cut into tiles merges to the same") {
  std::mt19937 r(5);
  for (int round = 0; round < 400; ++round) {
    std::size_t const n = 1 + r() % 1500;
    auto row = random_row(n, r());
    for (float& x : row) x *= float(1 + round % 5) * 2;
    if (round % 3 == 0)
      for (std::size_t i = 0; i < n; i += 2) row[i] = masked;
    float const peak = detail::finite_peak(row);
    if (!(peak == peak)) continue;
    gumbel::params const p{std::uint64_t(r()) << 32 | r(), int(r() % 100000), 1};
    gumbel::partial all{}, left{}, right{};
    std::size_t const cut = r() % n;
    for (std::size_t i = 0; i < n; ++i) {
      score const s{row[i], token(i)};
      all = gumbel::take(p, all, s);
      (i < cut ? left : right) = gumbel::take(p, i < cut ? left : right, s);
    }
    auto const fast = gumbel::fold(p, row, peak);
    REQUIRE(fast.id == all.id);
    REQUIRE(fast.value == all.value);
    REQUIRE(gumbel::merge(right, left).id == all.id);
  }
}

TEST_CASE("sampling/gumbel: skipping what cannot win changes no draw where logits are so large that noise is below their last bit") {
  for (float base : {1e5f, 1e7f, -1e7f, 1e8f, 1e12f}) {
    std::vector<float> row(300, base);
    for (std::size_t i = 0; i < row.size(); i += 3) row[i] = std::nextafter(base, -1e30f);
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      gumbel::params const p{.seed = seed, .position = 9, .noise = 1};
      gumbel::partial all;
      for (std::size_t i = 0; i < row.size(); ++i) all = gumbel::take(p, all, {row[i], token(i)});
      REQUIRE(gumbel::result(gumbel::fold(p, row, base)) == gumbel::result(all));
    }
  }
}

TEST_CASE("sampling/gumbel: vector and plain words agree, and noise depends on seed, position and id only") {
  for (int round = 0; round < 50; ++round) {
    detail::noise_stream const noise(0x123456789abcdefull * unsigned(round), round * 77);
    std::uint32_t a[64], b[64];
    noise.words(std::uint32_t(round) * 128, a);
    noise.words_plain(std::uint32_t(round) * 128, b);
    REQUIRE(std::equal(a, a + 64, b));
  }
  CHECK(detail::noise_stream(1, 2).gumbel(3) == detail::noise_stream(1, 2).gumbel(3));
  CHECK(detail::noise_stream(1, 2).gumbel(3) != detail::noise_stream(1, 3).gumbel(3));
  CHECK(detail::noise_stream(1, 2).gumbel(3) != detail::noise_stream(1ull << 32 | 1, 2).gumbel(3));
  // Golden values: these bits are part of the contract. A change needs a new gumbel::revision.
  CHECK(gumbel::revision == 1);
  INFO(std::hexfloat << detail::noise_stream(1, 2).gumbel(3) << " " << detail::noise_stream(7, 0).gumbel(151935));
  CHECK(detail::noise_stream(1, 2).gumbel(3) == -0x1.2643ed778301dp+0);
  CHECK(detail::noise_stream(7, 0).gumbel(151935) == -0x1.0c720ae27a2e3p-1);
}

TEST_CASE("sampling/gumbel is greedy at temperature 0, ties to the lower id") {
  using chain = sample<temperature, top_k, gumbel>;
  sampling_params p;
  p.temperature = 0, p.top_k = 1;
  std::vector<float> row{1, 5, 5, 2};
  auto const s = chain::pick(chain::prepare(p, {}, 9), row, {});
  CHECK(s.id == 1);
  CHECK(s.logprob == Approx(-std::log(2 + std::exp(-4.0) + std::exp(-3.0))));   // neither scaled nor truncated
}

TEST_CASE("sampling/seed gives independent continuations") {
  CHECK(choice_seed(77, 0) == 77);
  std::vector<std::uint64_t> all;
  for (std::uint64_t seed : {0ull, 1ull, 77ull})
    for (int i = 0; i < 1000; ++i) all.push_back(choice_seed(seed, i));
  std::sort(all.begin(), all.end());
  CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
}

TEST_CASE("sampling/detail/log is accurate to two units in the last place") {
  std::mt19937_64 r(1);
  double worst = 0;
  for (int i = 0; i < 200000; ++i) {
    double const x = i % 2 ? std::ldexp(1.0 + double(r() >> 12) * 0x1p-52, int(r() % 200) - 100) : 1.0 - double(r() >> 40) * 0x1p-30;
    long double const want = std::log((long double)x);
    if (want == 0) continue;
    worst = std::max(worst, double(std::abs((detail::log(x) - want) / want)));
  }
  CHECK(worst < 2 * 0x1p-52);
  CHECK(detail::log(1.0) == 0);
}
