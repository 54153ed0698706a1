// Runs sequences through a loaded model the way an engine would, under a plan: which tokens go into which step.
// Collects the logits of every position.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "catch.hpp"
#include "verbatim/backend/cpu/ops.hpp"
#include "verbatim/model/llama.hpp"
#include "verbatim/model/loaded_model.hpp"
#include "verbatim/model/qwen.hpp"
#include "verbatim/weights/checkpoint.hpp"
#include "verbatim/weights/config_json.hpp"
#include "verbatim/weights/random_weights.hpp"

namespace model_test {

using namespace verbatim;
using sequences = std::vector<std::vector<token>>;

/// One row of logits for each token of each sequence.
struct all_logits {
  int vocabulary = 0;
  std::vector<std::vector<float>> of;   // [sequence][position * vocabulary]
  bool operator==(all_logits const&) const = default;
};

/// How sequences are cut into steps. chunk 0: each sequence alone, in one step.
struct plan {
  int page = 64, threads = 1, chunk = 0;
  unsigned seed = 0;
};

inline ops_limits limits_for(sequences const& all, plan const& p) {
  int longest = 1, total = 0, pages = 1;
  for (auto const& s : all) {
    longest = std::max(longest, int(s.size()));
    total += int(s.size());
    pages += (int(s.size()) + p.page - 1) / p.page;
  }
  int const tokens = p.chunk ? p.chunk * int(all.size()) : longest;
  return {.tokens = tokens, .slices = std::max(1, int(all.size())), .outputs = tokens, .pages = pages, .page = p.page, .threads = p.threads};
}

/// Feeds `all` to the model in random chunks (1 .. plan.chunk tokens of each sequence a step, some left out), with KV pages in
/// random order.
template <class M> all_logits run(M& model, sequences const& all, plan const& p, int vocabulary) {
  std::mt19937 random(p.seed);
  all_logits out{vocabulary, {}};
  int pages = 1;
  for (auto const& s : all) pages += (int(s.size()) + p.page - 1) / p.page;
  std::vector<int> free(static_cast<std::size_t>(pages));
  for (int i = 0; i < pages; ++i) free[std::size_t(i)] = i;
  std::shuffle(free.begin(), free.end(), random);
  std::vector<std::vector<int>> owned;
  for (auto const& s : all) {
    owned.emplace_back();
    for (std::size_t i = 0; i < s.size(); i += std::size_t(p.page)) owned.back().push_back(free.back()), free.pop_back();
    out.of.emplace_back();
  }
  std::vector<std::size_t> done(all.size());
  for (std::size_t turn = 0;; ++turn) {
    std::vector<token> ids;
    std::vector<int> positions, outputs;
    std::vector<slice> slices;
    std::vector<std::size_t> owner;
    bool left = false;
    for (std::size_t i = 0; i < all.size(); ++i) {
      std::size_t const remaining = all[i].size() - done[i];
      left |= remaining > 0;
      std::size_t n = remaining;
      if (p.chunk) n = std::min<std::size_t>(remaining, random() % 4 == 0 ? 0 : 1 + random() % std::size_t(p.chunk));
      else if (!slices.empty()) n = 0;
      if (n == 0) continue;
      slices.push_back({int(ids.size()), int(n), int(done[i]), owned[i].data()});
      owner.push_back(i);
      for (std::size_t j = 0; j < n; ++j) {
        outputs.push_back(int(ids.size()));
        positions.push_back(int(done[i] + j));
        ids.push_back(all[i][done[i] + j]);
      }
      done[i] += n;
    }
    if (!left) return out;
    if (ids.empty()) continue;
    auto const logits = model.forward({int(ids.size()), ids.data(), positions.data(), int(slices.size()), slices.data(),
                                       int(outputs.size()), outputs.data()});
    REQUIRE(logits.rows == int(outputs.size()));
    REQUIRE(logits.vocabulary == vocabulary);
    for (std::size_t k = 0; k < slices.size(); ++k)
      for (int r = 0; r < slices[k].rows; ++r) {
        float const* const row = logits.data + std::size_t(slices[k].first_row + r) * logits.stride;
        out.of[owner[k]].insert(out.of[owner[k]].end(), row, row + vocabulary);
      }
  }
}

/// Loads and runs in one go.
template <class Model, class Device, class T, class Source>
all_logits run_model(model_config const& c, Source& source, sequences const& all, plan const& p = {},
                     numerics contract = batch_invariant) {
  auto model = std::make_unique<loaded_model<Model, Device, T>>(c, limits_for(all, p), contract);
  model->load(source);
  return run(*model, all, p, c.vocabulary);
}

/// Calls f.template operator()<Model>() for the model that the configuration is of.
template <class F> auto with_model(model_config const& c, F&& f) {
  if (c.arch == architecture::qwen2) return f.template operator()<qwen2>();
  if (c.arch == architecture::qwen3) return f.template operator()<qwen3>();
  return f.template operator()<llama>();
}

inline std::vector<std::filesystem::path> fixtures() {
  std::vector<std::filesystem::path> out;
  for (auto const& entry : std::filesystem::directory_iterator(source_dir() / "tests/fixtures/models"))
    if (entry.is_directory()) out.push_back(entry.path());
  std::sort(out.begin(), out.end());
  REQUIRE(out.size() >= 10);
  return out;
}

/// Log-probability of each token after the first, in f64 from the logits before it.
inline std::vector<double> logprobs(all_logits const& l, std::size_t sequence, std::vector<token> const& ids) {
  std::vector<double> out;
  for (std::size_t i = 0; i + 1 < ids.size(); ++i) {
    float const* const row = l.of[sequence].data() + i * std::size_t(l.vocabulary);
    double const largest = *std::max_element(row, row + l.vocabulary);
    double sum = 0;
    for (int v = 0; v < l.vocabulary; ++v) sum += std::exp(double(row[v]) - largest);
    out.push_back(double(row[ids[i + 1]]) - largest - std::log(sum));
  }
  return out;
}

}  // namespace model_test
