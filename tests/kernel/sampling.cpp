// Sampling on a device gives the bits of the host's chain: ids, log-probabilities and ranks, for drawn and given tokens, with
// temperatures and truncations, masked and equal logits, and rows that are no distribution.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "launches.hpp"
#include "verbatim/kernel/sampling.hpp"
#include "verbatim/sampling/chain.hpp"
#include "verbatim/sampling/greedy.hpp"
#include "verbatim/sampling/gumbel.hpp"
#include "verbatim/sampling/min_p.hpp"
#include "verbatim/sampling/temperature.hpp"
#include "verbatim/sampling/top_k.hpp"
#include "verbatim/sampling/top_p.hpp"

using namespace verbatim;
using namespace verbatim::kernel;
using namespace kernel_tests;

namespace {

using chain = sample<temperature, top_k, top_p, min_p, gumbel>;
using greedy_chain = sample<temperature, top_k, top_p, min_p, greedy>;

struct wanted_row {
  sampling_params params;
  int position = 0;
  token target = -1;
  bool scores = false, raw = false, is_greedy = false;
};

sampling_row job_of(wanted_row const& w) {
  if (w.scores) return {.wanted = sampling_row::what::score, .target = w.target};
  sampling_params const& p = w.params;
  return {.wanted = sampling_row::what::sample, .target = w.target, .temperature = temperature::prepare(p, {}).value, .top_k = top_k::prepare(p, {}).k,
          .top_p = top_p::prepare(p, {}).p, .min_ratio = min_p::prepare(p, {}).log_ratio, .noise = p.temperature > 0 && !w.is_greedy, .position = w.position,
          .seed = p.seed, .raw = w.raw};
}

bool same(sampled const& a, token id, float logprob, int rank) {
  return a.id == id && std::bit_cast<std::uint32_t>(a.logprob) == std::bit_cast<std::uint32_t>(logprob) && a.rank == rank;
}

/// How a device would cut the work.
struct cuts {
  int pieces = 1, room = row_search::most_room;
};

/// Rows that differ from the host's.
int differences(buffer<float> const& logits, int vocabulary, std::vector<wanted_row> const& wanted, cuts how, std::uint64_t order) {
  int const rows = int(wanted.size());
  buffer<sampling_row> jobs;
  for (auto const& w : wanted) jobs.push_back(job_of(w));
  buffer<sampling_result> results(wanted.size());
  buffer<float> of_row(wanted.size());
  buffer<unsigned> arrived(wanted.size());
  std::size_t const pieces = wanted.size() * std::size_t(how.pieces);
  buffer<drawn_piece> drawn(pieces);
  buffer<summed_piece> summed(pieces);
  sampling_work p{span_of(logits), span_of(jobs), span_of(results), {}, span_of(drawn), span_of(summed), span_of(arrived), rows, vocabulary, how.pieces, how.room};
  if (std::ranges::any_of(jobs, [&](sampling_row const& w) { return truncates(w, vocabulary); })) {
    p.cuts = span_of(of_row);
    launch(sample_cuts{p}, order++);
  }
  launch(sample_draws{p}, order++);
  launch(sample_sums{p}, order);
  int different = int(wanted.size() - std::size_t(std::ranges::count(arrived, 0u)));
  for (std::size_t r = 0; r < wanted.size(); ++r) {
    wanted_row const& w = wanted[r];
    std::span<float const> const row(logits.data() + r * std::size_t(vocabulary), std::size_t(vocabulary));
    std::vector<float> copy(row.begin(), row.end());
    auto const& out = results[r];
    if (w.scores) {
      different += !same(score_token(row, w.target, {}), out.id, out.logprob, out.rank);
      continue;
    }
    auto const by = [&]<class Chain>(Chain) {
      auto const stages = Chain::prepare(w.params, {}, w.position);
      return w.target < 0 ? Chain::pick(stages, copy, {}) : Chain::take(stages, copy, w.target, {});
    };
    sampled const s = w.is_greedy ? by(greedy_chain{}) : by(chain{});
    different += !same(s, out.id, out.logprob, out.rank);
    if (w.raw && s.id >= 0) different += !same(score_token(row, s.id, {}), out.id, out.raw_logprob, out.raw_rank);
  }
  return different;
}

struct random_rows {
  std::mt19937 random;
  explicit random_rows(unsigned seed) : random(seed) {}
  int below(int n) { return int(random() % unsigned(n)); }

  buffer<float> logits(int rows, int vocabulary) {
    std::normal_distribution<float> normal(0, 1);
    buffer<float> all;
    for (int r = 0; r < rows; ++r) {
      float const spread = below(3) ? 3.0f : 0.01f, shift = below(4) ? 0.0f : 30.0f;
      bool const coarse = below(4) == 0;   // many equal logits
      int const peaks = below(2) ? 0 : 5;
      for (int i = 0; i < vocabulary; ++i) {
        float x = spread * normal(random) + shift;
        if (below(vocabulary) < peaks) x += 20;
        if (coarse) x = std::round(x);
        all.push_back(below(20) ? x : -std::numeric_limits<float>::infinity());
      }
    }
    return all;
  }
  wanted_row row(int vocabulary) {
    wanted_row w;
    w.position = below(5000);
    w.params.seed = std::uint64_t(random()) << 32 | random();
    w.is_greedy = below(5) == 0;
    if (below(2)) w.params.temperature = below(5) ? 0.2f + 0.3f * float(below(6)) : 0;
    if (below(12) == 0) w.params.temperature = below(2) ? 1e-6f : 1e-7f;   // logits whose neighbours are whole numbers apart
    if (below(3) == 0) w.params.top_k = 1 + below(vocabulary + 5);
    if (below(3) == 0) w.params.top_p = 0.05f + 0.95f * float(below(1000)) / 1000;
    if (below(4) == 0) w.params.min_p = 0.001f * float(1 + below(300));
    if (below(4) == 0) w.target = below(vocabulary);
    w.scores = below(6) == 0;
    if (w.scores) w.target = below(vocabulary);
    w.raw = below(3) == 0;
    return w;
  }
};

void check(int vocabulary, int rows, unsigned seed, std::vector<cuts> const& ways) {
  random_rows random(seed);
  auto const logits = random.logits(rows, vocabulary);
  std::vector<wanted_row> wanted;
  for (int r = 0; r < rows; ++r) wanted.push_back(random.row(vocabulary));
  for (cuts how : ways) {
    CAPTURE(vocabulary, rows, how.pieces, how.room);
    CHECK(differences(logits, vocabulary, wanted, how, seed + unsigned(how.pieces)) == 0);
  }
}

}  // namespace

TEST_CASE("device sampling: small rows, whose sums are tails") {
  if (!can_launch()) return;
  for (int vocabulary : {1, 2, 17, 127, 128, 129, 200}) check(vocabulary, 24, unsigned(vocabulary), {{.room = 1}, {.pieces = 3, .room = 0}});
}
TEST_CASE("device sampling: larger rows, cut into pieces") {
  if (!can_launch()) return;
  check(1000, 64, 1, {{7, 2}});
  check(5003, 8, 2, {{1, 10}, {3, 2}});   // a block has 2048 ids at a time
  check(16411, 3, 3, {{2, 33}, {9, 4}});
  for (int rows : {1, 2, 3, 5, 8}) check(300, rows, unsigned(rows), {{.pieces = 2, .room = 1}});
}
TEST_CASE("device sampling: every combination of stages") {
  if (!can_launch()) return;
  int const vocabulary = 700;
  random_rows random(4);
  std::vector<wanted_row> wanted;
  for (float temperature : {1.0f, 0.0f, 0.7f, 1.5f})
    for (int stages = 0; stages < 32; ++stages) {
      wanted_row w = random.row(vocabulary);
      w.scores = false, w.target = stages & 8 ? random.below(vocabulary) : -1, w.raw = stages & 16;
      w.params.temperature = temperature;
      w.params.top_k = stages & 1 ? 20 : 0, w.params.top_p = stages & 2 ? 0.8f : 1, w.params.min_p = stages & 4 ? 0.1f : 0;
      wanted.push_back(w);
    }
  CHECK(differences(random.logits(int(wanted.size()), vocabulary), vocabulary, wanted, {.pieces = 4, .room = 2}, 6) == 0);
}
TEST_CASE("device sampling: thresholds far from the peak, and among equals") {
  if (!can_launch()) return;
  float const inf = std::numeric_limits<float>::infinity();
  int const vocabulary = 1500, rows = 6;
  buffer<float> logits(std::size_t(rows * vocabulary));
  std::vector<wanted_row> wanted(static_cast<std::size_t>(rows));
  for (int i = 0; i < vocabulary; ++i) {
    auto const at = [&](int r) -> float& { return logits[std::size_t(r * vocabulary + i)]; };
    at(0) = -0.5f * float(i) * float(i);              // the thousandth is half a million below
    at(1) = i == 700 ? 0.0f : -0.0f;                  // all equal
    at(2) = i % 2 ? 1e-38f * float(i) : 1e38f;        // among subnormals
    at(3) = -std::numeric_limits<float>::max();
    at(4) = i < 10 ? float(i) : -inf;                 // fewer than top_k
    at(5) = 1.0f + 1e-7f * float(i % 3);
  }
  wanted[0].params.top_k = 1000, wanted[1].params.top_k = 3, wanted[2].params.top_k = 1000, wanted[3].params.top_p = 0.3f, wanted[4].params.top_k = 30;
  wanted[5].params.top_p = 0.5f;
  for (auto& w : wanted) w.params.seed = 9;
  for (int room : {0, 1, 3}) CHECK(differences(logits, vocabulary, wanted, {.pieces = 2, .room = room}, 7) == 0);
}
TEST_CASE("device sampling: rows that are no distribution give no token") {
  if (!can_launch()) return;
  float const inf = std::numeric_limits<float>::infinity();
  int const vocabulary = 100;
  for (int stages = 0; stages < 8; ++stages) {
    buffer<float> logits(std::size_t(8 * vocabulary), 0.5f);
    logits[3] = std::nanf("");
    logits[std::size_t(vocabulary + 99)] = inf;
    for (int i = 0; i < vocabulary; ++i) logits[std::size_t(2 * vocabulary + i)] = -inf;
    logits[std::size_t(6 * vocabulary + 50)] = 1e38f;
    std::vector<wanted_row> wanted(8);
    for (auto& w : wanted) {
      w.params.top_k = stages & 1 ? 5 : 0, w.params.top_p = stages & 2 ? 0.5f : 1, w.params.min_p = stages & 4 ? 0.1f : 0;
      w.raw = true;
    }
    wanted[3].target = 100, wanted[4].scores = true, wanted[4].target = -1;
    wanted[5].scores = true, wanted[5].target = 1 << 30;
    wanted[6].params.temperature = 1e-6f, wanted[7].params.temperature = 0;   // a quotient that is infinite; equal logits
    CHECK(differences(logits, vocabulary, wanted, {.room = 1}, 5) == 0);
  }
}
TEST_CASE("device sampling: pieces keep a device busy, and have room") {
  static_assert(pieces_for(1, 151936, 132) == 75 && pieces_for(256, 151936, 132) == 9 && pieces_for(4096, 151936, 132) == 1 && pieces_for(1, 1, 132) == 1);
  for (int rows = 1; rows < 3000; ++rows) CHECK(std::size_t(rows) * std::size_t(pieces_for(rows, 262144, 132)) <= piece_room(rows, 132));
}
