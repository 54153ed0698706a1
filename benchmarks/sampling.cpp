// Microseconds per row of 151,936 logits on one core, for chains of this library and for a plain sampler that does the
// obvious thing (softmax, full sort where it truncates, inverse of the cumulative distribution). One table.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

#include "verbatim/sampling/bad_words.hpp"
#include "verbatim/sampling/chain.hpp"
#include "verbatim/sampling/greedy.hpp"
#include "verbatim/sampling/gumbel.hpp"
#include "verbatim/sampling/logit_bias.hpp"
#include "verbatim/sampling/min_p.hpp"
#include "verbatim/sampling/min_tokens.hpp"
#include "verbatim/sampling/penalties.hpp"
#include "verbatim/sampling/temperature.hpp"
#include "verbatim/sampling/top_k.hpp"
#include "verbatim/sampling/top_p.hpp"

namespace {

using namespace verbatim;
constexpr std::size_t vocabulary = 151936;
using chain = sample<repetition_penalty, presence_penalty, frequency_penalty, logit_bias, bad_words, min_tokens, temperature,
                     top_k, top_p, min_p, gumbel>;

/// Logits like a language model's: a wide bell (standard deviation 2.5) with a peak of `peak` on top.
std::vector<std::vector<float>> make_rows(float deviation, float peak) {
  std::mt19937_64 random(1);
  std::normal_distribution<float> bell(0, deviation);
  std::vector<std::vector<float>> rows(8, std::vector<float>(vocabulary));
  for (auto& row : rows) {
    for (float& x : row) x = bell(random);
    for (int i = 0; i < 20; ++i) row[random() % vocabulary] += peak * float(20 - i) / 20;
  }
  return rows;
}

double microseconds(std::vector<std::vector<float>> const& rows, std::function<int(std::span<float>, int)> const& pick) {
  std::vector<float> row(vocabulary);
  std::vector<double> best(rows.size(), 1e30);   // per row: a round of rows is longer than a time slice of a busy machine
  long sink = 0;
  for (int round = 0; round < 12; ++round)
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::ranges::copy(rows[i], row.begin());   // outside of the clock; leaves the row in cache, as the LM head does
      auto const start = std::chrono::steady_clock::now();
      sink += pick(row, round * 8 + int(i));
      best[i] = std::min(best[i], std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
    }
  if (sink == 42) std::puts("");
  return std::accumulate(best.begin(), best.end(), 0.0) / double(best.size());
}

/// The obvious sampler.
int plain(std::span<float> row, sampling_params const& p, std::mt19937_64& random) {
  if (p.temperature == 0) return int(std::max_element(row.begin(), row.end()) - row.begin());
  std::vector<std::pair<float, int>> all(row.size());
  float const peak = *std::max_element(row.begin(), row.end());
  for (std::size_t i = 0; i < row.size(); ++i) all[i] = {std::exp((row[i] - peak) / p.temperature), int(i)};
  if (p.top_k || p.top_p < 1) std::sort(all.begin(), all.end(), std::greater{});
  if (p.top_k) all.resize(std::size_t(p.top_k));
  double sum = 0, kept = 0;
  for (auto const& [e, id] : all) sum += e;
  for (auto const& [e, id] : all)
    if ((kept += e) >= p.top_p * sum) break;
  double u = std::uniform_real_distribution<double>(0, std::min(kept, sum))(random);
  for (auto const& [e, id] : all)
    if ((u -= e) <= 0) return id;
  return all.back().second;
}

void line(char const* name, sampling_params const& p, int top, std::vector<std::vector<float>> const& flat,
          std::vector<std::vector<float>> const& peaked) {
  static std::vector<std::uint16_t> counts(vocabulary);
  static std::vector<std::uint8_t> in_prompt(vocabulary);
  for (std::size_t i = 0; i < 4000; ++i) (i % 2 ? counts[i * 7919 % vocabulary] = 1 : in_prompt[i * 7919 % vocabulary] = 1);
  row_history h;
  h.output_counts = counts.data(), h.in_prompt = in_prompt.data();
  std::vector<score> tops((std::size_t(top)));
  std::mt19937_64 random(2);
  auto const ours = [&](std::span<float> row, int i) {
    sampling_params q = p;
    q.seed = std::uint64_t(i);
    return chain::pick(chain::prepare(q, h, i), row, tops).id;
  };
  auto const theirs = [&](std::span<float> row, int) { return plain(row, p, random); };
  std::printf("%-34s %10.0f %10.0f %12.0f\n", name, microseconds(flat, ours), microseconds(peaked, ours),
              p.repetition_penalty != 1 ? 0.0 : microseconds(flat, theirs));
}

}  // namespace

int main() {
  auto const flat = make_rows(2.5f, 0), peaked = make_rows(2.5f, 20);
  std::printf("microseconds per row of %zu logits, best of 12 for each of 8 rows\n%-34s %10s %10s %12s\n", vocabulary, "", "flat", "peaked",
              "plain (flat)");
  line("greedy", {.temperature = 0}, 0, flat, peaked);
  line("temperature 1", {}, 0, flat, peaked);
  line("temperature 1, top 20 reported", {}, 20, flat, peaked);
  line("temperature 0.7", {.temperature = 0.7f}, 0, flat, peaked);
  line("top_k 50", {.top_k = 50}, 0, flat, peaked);
  line("top_k 5000", {.top_k = 5000}, 0, flat, peaked);
  line("top_p 0.9", {.top_p = 0.9f}, 0, flat, peaked);
  line("temperature 0.7, top_k 20, top_p 0.8", {.temperature = 0.7f, .top_p = 0.8f, .top_k = 20}, 0, flat, peaked);
  line("min_p 0.05", {.min_p = 0.05f}, 0, flat, peaked);
  line("three penalties", {.repetition_penalty = 1.1f, .presence_penalty = 0.5f, .frequency_penalty = 0.5f}, 0, flat, peaked);
}
