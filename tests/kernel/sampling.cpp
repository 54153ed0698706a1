// Sampling on a device gives the bits of the host's chain: ids, log-probabilities and ranks, for drawn and given tokens, with
// temperatures and truncations, masked and equal logits, and rows that are no distribution.
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "catch.hpp"
#include "verbatim/kernel/sampling.hpp"
#include "verbatim/sampling/chain.hpp"
#include "verbatim/sampling/gumbel.hpp"
#include "verbatim/sampling/min_p.hpp"
#include "verbatim/sampling/temperature.hpp"
#include "verbatim/sampling/top_k.hpp"
#include "verbatim/sampling/top_p.hpp"
#include "verbatim/simt/host_grid.hpp"

using namespace verbatim;
using namespace verbatim::kernel;

namespace {

using chain = sample<temperature, top_k, top_p, min_p, gumbel>;

struct wanted_row {
  sampling_params params;
  int position = 0;
  token target = -1;
  bool scores = false, raw = false;
};

sampling_row job_of(wanted_row const& w) {
  if (w.scores) return {.wanted = sampling_row::what::score, .target = w.target};
  sampling_params const& p = w.params;
  return {.wanted = sampling_row::what::sample, .target = w.target, .temperature = temperature::prepare(p, {}).value, .top_k = top_k::prepare(p, {}).k,
          .top_p = top_p::prepare(p, {}).p, .min_ratio = min_p::prepare(p, {}).log_ratio, .noise = p.temperature > 0, .position = w.position, .seed = p.seed, .raw = w.raw};
}

bool same(sampled const& a, token id, float logprob, int rank) {
  return a.id == id && std::bit_cast<std::uint32_t>(a.logprob) == std::bit_cast<std::uint32_t>(logprob) && a.rank == rank;
}

/// Rows that differ from the host's.
int differences(std::vector<float> const& logits, int vocabulary, std::vector<wanted_row> const& wanted, std::uint64_t order) {
  int const rows = int(wanted.size());
  std::vector<sampling_row> jobs;
  for (auto const& w : wanted) jobs.push_back(job_of(w));
  std::vector<sampling_result> results(wanted.size());
  sample_rows const p{{logits.data(), logits.size()}, {jobs.data(), jobs.size()}, {results.data(), results.size()}, rows, vocabulary};
  simt::launch(shape_of(p), [&](simt::host_grid g) { run(g, p); }, order);
  int different = 0;
  for (std::size_t r = 0; r < wanted.size(); ++r) {
    wanted_row const& w = wanted[r];
    std::span<float const> const row(logits.data() + r * std::size_t(vocabulary), std::size_t(vocabulary));
    std::vector<float> copy(row.begin(), row.end());
    auto const& out = results[r];
    if (w.scores) {
      different += !same(score_token(row, w.target, {}), out.id, out.logprob, out.rank);
      continue;
    }
    auto const stages = chain::prepare(w.params, {}, w.position);
    sampled const s = w.target < 0 ? chain::pick(stages, copy, {}) : chain::take(stages, copy, w.target, {});
    different += !same(s, out.id, out.logprob, out.rank);
    if (w.raw && s.id >= 0) different += !same(score_token(row, s.id, {}), out.id, out.raw_logprob, out.raw_rank);
  }
  return different;
}

void check(int vocabulary, int rows, unsigned seed) {
  std::mt19937 random(seed);
  auto const below = [&](int n) { return int(random() % unsigned(n)); };
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> logits(std::size_t(rows * vocabulary));
  std::vector<wanted_row> wanted(static_cast<std::size_t>(rows));
  for (int r = 0; r < rows; ++r) {
    float const spread = below(3) ? 3.0f : 0.01f;
    bool const coarse = below(4) == 0;   // many equal logits
    for (int i = 0; i < vocabulary; ++i) {
      float x = spread * normal(random);
      if (coarse) x = std::round(x);
      if (below(20) == 0) x = -std::numeric_limits<float>::infinity();
      logits[std::size_t(r * vocabulary + i)] = x;
    }
    wanted_row& w = wanted[std::size_t(r)];
    w.position = below(5000);
    w.params.seed = std::uint64_t(random()) << 32 | random();
    if (below(2)) w.params.temperature = below(5) ? 0.2f + 0.3f * float(below(6)) : 0;
    if (below(12) == 0) w.params.temperature = below(2) ? 1e-6f : 1e-7f;   // logits whose neighbours are whole numbers apart
    if (below(3) == 0) w.params.top_k = 1 + below(vocabulary + 5);
    if (below(3) == 0) w.params.top_p = 0.05f + 0.9f * float(below(1000)) / 1000;
    if (below(4) == 0) w.params.min_p = 0.001f * float(1 + below(300));
    if (below(4) == 0) w.target = below(vocabulary);
    w.scores = below(6) == 0;
    if (w.scores) w.target = below(vocabulary);
    w.raw = below(3) == 0;
  }
  CHECK(differences(logits, vocabulary, wanted, seed) == 0);
}

}  // namespace

TEST_CASE("device sampling: small rows, whose sums are tails") {
  for (int vocabulary : {1, 2, 17, 63, 64, 65, 200}) check(vocabulary, 60, unsigned(vocabulary));
}
TEST_CASE("device sampling: larger rows") {
  check(1000, 120, 1);
  check(5003, 24, 2);
  check(16411, 6, 3);   // several rounds of sums
}
TEST_CASE("device sampling: rows that are no distribution give no token") {
  float const inf = std::numeric_limits<float>::infinity();
  int const vocabulary = 100;
  std::vector<float> logits(std::size_t(6 * vocabulary), 0.5f);
  logits[3] = std::nanf("");
  logits[std::size_t(vocabulary + 99)] = inf;
  for (int i = 0; i < vocabulary; ++i) logits[std::size_t(2 * vocabulary + i)] = -inf;
  std::vector<wanted_row> wanted(6);
  wanted[3].target = 100, wanted[4].scores = true, wanted[4].target = -1;
  wanted[5].scores = true, wanted[5].target = 1 << 30;
  CHECK(differences(logits, vocabulary, wanted, 5) == 0);
}
