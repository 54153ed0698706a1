// Chains against straightforward implementations in double with a full sort, and against exact distributions.
#include "verbatim/sampling/chain.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "catch.hpp"
#include "verbatim/sampling/bad_words.hpp"
#include "verbatim/sampling/greedy.hpp"
#include "verbatim/sampling/gumbel.hpp"
#include "verbatim/sampling/logit_bias.hpp"
#include "verbatim/sampling/min_p.hpp"
#include "verbatim/sampling/min_tokens.hpp"
#include "verbatim/sampling/penalties.hpp"
#include "verbatim/sampling/temperature.hpp"
#include "verbatim/sampling/top_k.hpp"
#include "verbatim/sampling/top_p.hpp"

using namespace verbatim;

namespace {

using full = sample<repetition_penalty, presence_penalty, frequency_penalty, logit_bias, bad_words, min_tokens, temperature,
                    top_k, top_p, min_p, gumbel>;

std::vector<float> random_row(std::size_t n, unsigned seed, float deviation = 2) {
  std::mt19937 random(seed);
  std::normal_distribution<float> bell(0, deviation);
  std::vector<float> row(n);
  for (float& x : row) x = bell(random);
  return row;
}

/// Prompt, output and the dense tables over them.
struct history {
  std::vector<token> prompt, output, stop;
  std::vector<std::uint16_t> counts;
  std::vector<std::uint8_t> in_prompt;
  history(std::size_t n, std::vector<token> p, std::vector<token> o, std::vector<token> s)
      : prompt(std::move(p)), output(std::move(o)), stop(std::move(s)), counts(n), in_prompt(n) {
    for (token t : prompt) in_prompt[std::size_t(t)] = 1;
    for (token t : output) ++counts[std::size_t(t)];
  }
  row_history view() const { return {prompt, output, stop, counts.data(), in_prompt.data()}; }
};

bool matches_tail(std::vector<token> const& all, std::vector<token> const& word) {
  if (word.empty() || word.size() - 1 > all.size()) return false;
  return std::equal(word.begin(), word.end() - 1, all.end() - std::ptrdiff_t(word.size() - 1));
}

/// The processed logits by the book: every stage in double, truncations by sorting. Margins of truncations are recorded,
/// so that a test can leave out rows in which rounding decides.
struct reference {
  std::vector<double> x;
  double closest = 1e9;   ///< how near a kept set's mass came to a threshold, in probability

  reference(std::vector<float> const& logits, sampling_params const& p, history const& h) : x(logits.begin(), logits.end()) {
    ops(p, h);
    if (p.temperature == 0) return;
    for (double& v : x) v /= double(p.temperature);
    if (p.top_k > 0 && std::size_t(p.top_k) < x.size()) keep_at_least(sorted()[std::size_t(p.top_k) - 1]);
    if (p.top_p < 1) nucleus(double(p.top_p));
    if (p.min_p > 0) {
      double const t = sorted()[0] + std::log(double(p.min_p));
      for (double v : x) closest = std::min(closest, std::abs(v - t) * 1e-2);
      keep_at_least(t);
    }
  }
  void ops(sampling_params const& p, history const& h) {
    std::vector<token> all = h.prompt;
    all.insert(all.end(), h.output.begin(), h.output.end());
    for (std::size_t i = 0; i < x.size(); ++i) {
      bool const seen = std::count(all.begin(), all.end(), token(i)) > 0;
      auto const times = std::count(h.output.begin(), h.output.end(), token(i));
      if (seen) x[i] = x[i] > 0 ? x[i] / double(p.repetition_penalty) : x[i] * double(p.repetition_penalty);
      if (times) x[i] -= double(p.presence_penalty);
      x[i] -= double(p.frequency_penalty) * double(times);
    }
    for (auto [id, b] : p.logit_bias) x[std::size_t(id)] += double(b);
    for (auto const& w : p.bad_words)
      if (matches_tail(all, w)) x[std::size_t(w.back())] = -INFINITY;
    if (int(h.output.size()) < p.min_tokens)
      for (token t : h.stop) x[std::size_t(t)] = -INFINITY;
  }
  std::vector<double> sorted() const {
    auto s = x;
    std::sort(s.begin(), s.end(), std::greater{});
    return s;
  }
  void keep_at_least(double t) {
    for (double& v : x)
      if (v < t) v = -INFINITY;
  }
  void nucleus(double p) {
    auto const s = sorted();
    double all = 0, sum = 0;
    for (double v : s) all += std::exp(v - s[0]);
    for (double v : s) {
      sum += std::exp(v - s[0]);
      closest = std::min(closest, std::abs(sum / all - p));
      if (sum >= p * all) return keep_at_least(v);
    }
  }
  std::vector<double> logprobs() const {
    double const peak = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (double v : x) sum += std::exp(v - peak);
    auto out = x;
    for (double& v : out) v -= peak + std::log(sum);
    return out;
  }
};

sampling_params random_params(std::mt19937& r, std::size_t n) {
  auto const one_of = [&](auto... v) { float const a[] = {float(v)...}; return a[r() % sizeof...(v)]; };
  sampling_params p;
  p.temperature = one_of(1, 1, 0.7, 1.5, 0.3, 0);
  p.top_p = one_of(1, 1, 0.9, 0.5, 0.05, 0.999);
  p.top_k = int(one_of(0, 0, 1, 5, 40, 100000));
  p.min_p = one_of(0, 0, 0.05, 0.5);
  p.repetition_penalty = one_of(1, 1.3, 0.8);
  p.presence_penalty = one_of(0, 0.7, -0.5);
  p.frequency_penalty = one_of(0, 0.4);
  p.seed = r();
  p.min_tokens = int(one_of(0, 3, 100));
  for (unsigned i = r() % 4; i-- > 0;) p.logit_bias.push_back({token(r() % n), one_of(5, -3, -100)});
  return p;
}

}  // namespace

TEST_CASE("sampling/chain equals a sorted double-precision reference on random rows and parameters") {
  std::mt19937 r(7);
  int checked = 0;
  for (int round = 0; round < 600; ++round) {
    std::size_t const n = std::size_t(std::vector{1, 2, 15, 16, 17, 63, 64, 65, 127, 129, 1000, 5003}[r() % 12]);
    auto const row = random_row(n, r(), 1 + float(r() % 4));
    std::vector<token> prompt(r() % 20), output(r() % 20), stop{token(r() % n)};
    for (auto* v : {&prompt, &output})
      for (token& t : *v) t = token(r() % n);
    history const h(n, prompt, output, stop);
    auto p = random_params(r, n);
    if (n > 2) p.bad_words = {{token(r() % n)}, {}, {token(r() % n), 0}};
    if (n > 2 && !output.empty()) p.bad_words.push_back({output.back(), token(r() % n)});
    reference const want(row, p, h);
    if (want.closest < 1e-5) continue;
    if (*std::max_element(want.x.begin(), want.x.end()) == -INFINITY) continue;
    auto got = row;
    std::vector<score> top(std::min<std::size_t>(n, 8));
    auto const q = full::prepare(p, h.view(), 5);
    auto const s = full::pick(q, got, top);
    auto const logprobs = want.logprobs();
    REQUIRE(s.id >= 0);
    REQUIRE(std::size_t(s.id) < n);
    double worst = 0;
    for (std::size_t i = 0; i < n; ++i) {
      REQUIRE((got[i] == masked) == (want.x[i] == -INFINITY));
      if (got[i] > masked) worst = std::max(worst, std::abs(double(got[i]) - want.x[i]) / (1 + std::abs(want.x[i])));
    }
    CHECK(worst < 1e-6);
    CHECK(std::abs(double(s.logprob) - logprobs[std::size_t(s.id)]) < 2e-5);
    auto forced = row;
    auto const t = full::take(q, forced, s.id, top);
    CHECK(std::memcmp(&s, &t, sizeof s) == 0);
    int rank = 1;
    for (std::size_t i = 0; i < n; ++i) rank += got[i] > got[std::size_t(s.id)] || (got[i] == got[std::size_t(s.id)] && int(i) < s.id);
    CHECK(s.rank == rank);
    if (p.temperature == 0) CHECK(s.rank == 1);
    std::vector<int> order(n);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return got[std::size_t(a)] > got[std::size_t(b)]; });
    for (std::size_t i = 0; i < top.size(); ++i) {
      CHECK(top[i].id == order[i]);
      CHECK(double(top[i].value) == Approx(std::max(-9999.0, logprobs[std::size_t(order[i])])).margin(2e-5));
    }
    ++checked;
  }
  CHECK(checked > 450);
}

TEST_CASE("sampling/chain: a row's sum does not depend on the order of its parts") {
  CHECK(units_of(1) == std::uint64_t(1) << 42);
  CHECK(units_of(0x1.8p-42f) == 2);   // to the nearest
  CHECK(units_of(0x1.7p-43f) == 1);
  CHECK(value_of_units(units_of(7.5f) + units_of(0x1p-42f)) == 7.5 + 0x1p-42);
  for (std::size_t n : {1u, 127u, 128u, 1000u, 20000u, 151936u}) {
    auto row = random_row(n, unsigned(n));
    float const peak = detail::finite_peak(row);
    double want = 0;
    for (float x : row) want += std::exp(double(x) - double(peak));
    double const log_sum = detail::log_sum(row, peak);
    CHECK(log_sum == Approx(std::log(want)).margin(3e-7));
    auto const part = [&](std::size_t i) { return row.begin() + std::ptrdiff_t(128 * i); };
    std::size_t const whole = n / 128;
    for (std::size_t i = 1; i < whole; ++i) std::swap_ranges(part(i), part(i + 1), part(i / 2));
    if (n % 128 <= 16) std::reverse(part(whole), row.end());
    CHECK(detail::log_sum(row, peak) == log_sum);
  }
}

TEST_CASE("sampling/chain: score_token has the bits of a chain that changes nothing") {
  auto const row = random_row(5001, 3);
  std::vector<score> a(5), b(5), c(5);
  sampling_params p;
  p.seed = 99;
  auto x = row, y = row;
  auto const r = full::prepare(p, {}, 17);
  auto const picked = full::pick(r, x, a);
  auto const taken = full::take(r, y, picked.id, b);
  auto const scored = score_token(row, picked.id, c);
  CHECK(x == row);
  CHECK(!full::changes(r));
  for (sampling_params other : {sampling_params{.temperature = 0.5f}, {.top_p = 0.9f}, {.top_k = 3}, {.min_p = 0.1f}, {.logit_bias = {{3, 1.0f}}}})
    CHECK(full::changes(full::prepare(other, {}, 17)));
  CHECK(std::memcmp(&picked, &taken, sizeof picked) == 0);
  CHECK(std::memcmp(&picked, &scored, sizeof picked) == 0);
  CHECK(std::memcmp(a.data(), b.data(), 5 * sizeof(score)) == 0);
  CHECK(std::memcmp(a.data(), c.data(), 5 * sizeof(score)) == 0);
}

TEST_CASE("sampling/chain fails by value on rows that have no distribution") {
  auto const chain_fails = [](std::vector<float> row) {
    std::vector<score> top(3);
    sampling_params p;
    p.top_p = 0.9f, p.top_k = 2;
    auto const r = full::prepare(p, {}, 0);
    auto copy = row;
    sampled const a = full::pick(r, row, top), b = full::take(r, copy, 0, top), c = score_token(copy, 0, top);
    CHECK(top[0].id == -1);
    return a.id == -1 && b.id == -1 && c.id == -1 && std::isfinite(a.logprob);
  };
  float const nan = std::nanf(""), inf = INFINITY;
  CHECK(chain_fails({1, nan, 2}));
  CHECK(chain_fails({-inf, -inf}));
  CHECK(chain_fails({1, inf}));
  CHECK(chain_fails({}));
  std::vector<float> late(1000, 1.0f);
  late[999] = -nan;
  CHECK(chain_fails(late));
  std::vector<float> fine{1, 2, 3};
  CHECK(score_token(fine, 3, {}).id == -1);
  CHECK(score_token(fine, -1, {}).id == -1);
  CHECK(score_token(fine, 2, {}).rank == 1);
}

TEST_CASE("sampling/chain reports masked tokens with a finite floor and fills what is missing of top") {
  std::vector<float> row{0, 1, 2, 3};
  sampling_params p;
  p.top_k = 2;
  std::vector<score> top(6);
  auto const s = sample<top_k, gumbel>::take(sample<top_k, gumbel>::prepare(p, {}, 0), row, 0, top);
  CHECK(s.logprob == -9999.0f);
  CHECK(s.rank == 3);
  CHECK(top[0].id == 3);
  CHECK(top[2].id == 0);
  CHECK(top[2].value == -9999.0f);
  CHECK(top[5].id == -1);
}

namespace {
struct forbid {   // a user's own stage without prepare, and one that reads `extra`
  struct params { token id = 3; };
  static constexpr float apply(params const& p, score s) { return s.id == p.id ? -1e30f : s.value; }
};
struct lift {
  struct params { float by; };
  static params prepare(sampling_params const& p, row_history const&) { return {float(extra_value(p, "lift", 0))}; }
  static constexpr float apply(params const& p, score s) { return s.id == 1 ? s.value + p.by : s.value; }
};
}  // namespace

TEST_CASE("sampling/chain runs a user's own stages") {
  using chain = sample<temperature, forbid, lift, greedy>;
  sampling_params p;
  std::vector<float> row{0, 1, 2, 9};
  CHECK(chain::pick(chain::prepare(p, {}, 0), row, {}).id == 2);
  p.extra = {{"lift", 5.0}};
  row = {0, 1, 2, 9};
  CHECK(chain::pick(chain::prepare(p, {}, 0), row, {}).id == 1);
  static_assert(chain::offers == guarantee::layout_invariant);
}

TEST_CASE("sampling/temperature: every quotient is the correctly rounded one") {
  std::mt19937 random(5);
  auto const any = [&] { return std::bit_cast<float>(std::uint32_t(random())); };
  constexpr float tiny = std::numeric_limits<float>::denorm_min(), large = std::numeric_limits<float>::max();
  std::vector<float> temperatures{tiny, 3 * tiny, 1e-40f, 2e-39f, 3e-39f, 1e-5f, 0.3f, 0.7f, 1.5f, 98, 1e30f, 2e38f, large};
  for (int i = 0; i < 200; ++i) temperatures.push_back(std::fabs(any()));
  for (float t : temperatures) {
    if (!(t > 0) || !std::isfinite(t)) continue;
    std::vector<float> row{0, -0.0f, masked, 1, -1, large, tiny, -tiny, 49 * tiny, 147 * tiny};   // over 98: half of the least value, and thrice that
    for (int i = 0; i < 300; ++i) row.push_back(i % 3 ? any() : t * float(i));
    for (float& x : row) if (x != x) x = 0;
    auto const logits = row;
    detail::apply_op<temperature>(temperature::prepare({.temperature = t}, {}), row);
    long different = 0;
    for (std::size_t i = 0; i < row.size(); ++i)
      different += std::bit_cast<std::uint32_t>(row[i]) != std::bit_cast<std::uint32_t>(float(static_cast<long double>(logits[i]) / t));
    CAPTURE(t);
    CHECK((t == 1 || different == 0));
  }
}
