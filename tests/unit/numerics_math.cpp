// The library's own elementary functions against long double, over the whole range of f32.
#include <bit>
#include <cmath>
#include <limits>

#include "catch.hpp"
#include "verbatim/core/bf16.hpp"
#include "verbatim/numerics/math.hpp"
#include "verbatim/numerics/reduce.hpp"

using namespace verbatim;

namespace {

double ulps(float got, long double expected) {
  int exponent;
  std::frexp(double(expected), &exponent);
  return std::fabs(double((long double)got - expected)) / std::ldexp(1.0, std::max(exponent, -125) - 24);
}

/// Every f32 in steps of a prime number of bit patterns, so that all exponents and many mantissas occur.
template <class F> void for_many(F&& f) {
  for (std::uint64_t u = 0; u < 0x100000000ull; u += 3989) {
    float const x = std::bit_cast<float>(std::uint32_t(u));
    if (std::isfinite(x)) f(x);
  }
}

}  // namespace

TEST_CASE("math: exp, silu and log stay within their bounds everywhere") {
  double worst_exp = 0, worst_silu = 0, worst_log = 0;
  for_many([&](float x) {
    if (x > -87 && x < 88.7f) {
      worst_exp = std::max(worst_exp, ulps(math::exp(x), std::exp((long double)x)));
      worst_silu = std::max(worst_silu, ulps(math::silu(x), (long double)x / (1 + std::exp(-(long double)x))));
    }
    if (x > 0) worst_log = std::max(worst_log, ulps(math::log(x), std::log((long double)x)));
  });
  CHECK(worst_exp <= 1.1);
  CHECK(worst_silu <= 3);
  CHECK(worst_log <= 1.5);
  CHECK(worst_exp > 0.4);  // an exact function would mean that this test measures nothing
}

TEST_CASE("math: special values") {
  float const infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(math::exp(0.0f) == 1);
  CHECK(math::exp(-infinity) == 0);
  CHECK(math::exp(-200.0f) == 0);
  CHECK(math::exp(infinity) == infinity);
  CHECK(math::exp(89.0f) == infinity);
  CHECK(math::exp(-100.0f) == std::exp(-100.0f));  // subnormal
  CHECK(std::isnan(math::exp(nan)));
  CHECK(math::log(1.0f) == 0);
  CHECK(math::log(0.0f) == -infinity);
  CHECK(math::log(infinity) == infinity);
  CHECK(std::isnan(math::log(-1.0f)));
  CHECK(std::isnan(math::log(nan)));
  CHECK(math::silu(0.0f) == 0);
  CHECK(std::isnan(math::silu(nan)));
}

TEST_CASE("math: sine and cosine of any position's angle") {
  double worst = 0;
  for_many([&](float x) {
    if (std::fabs(x) > 4e6f) return;
    auto const sc = math::sin_cos(x);
    worst = std::max({worst, double(std::fabs(sc.sine - std::sin((long double)x))), double(std::fabs(sc.cosine - std::cos((long double)x)))});
  });
  CHECK(worst <= 3.1e-8);  // half an ulp just below 1 is 2.98e-8
}

TEST_CASE("reduce: the tree depends on the length alone") {
  float x[100];
  for (int i = 0; i < 100; ++i) x[i] = 1.0f / float(i + 1);
  double exact = 0;
  for (float v : x) exact += double(v);
  CHECK(tree_sum(x, 100) == Approx(exact).epsilon(1e-6));
  float padded[112] = {};
  for (int i = 0; i < 100; ++i) padded[i] = x[i];
  CHECK(tree_sum(padded, 112) == tree_sum(x, 100));  // zeros past the end change nothing
  CHECK(tree_sum(x, 0) == 0);
}
