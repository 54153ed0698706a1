// Models for tests of CUDA devices: under the host executor (model_device.cpp) and on a GPU (tests/cuda).
#pragma once
#include <cmath>

#include "../model_runner.hpp"
#include "verbatim/backend/cuda/ops.hpp"

namespace device_model {

using namespace model_test;

/// `scale` multiplies what is wide; 1: small enough for the host executor.
inline model_config config_of(architecture arch, dtype type, int scale = 1) {
  model_config c;
  c.arch = arch, c.type = type;
  c.layers = 2, c.hidden = 72 * scale, c.intermediate = 136 * scale, c.vocabulary = 131 * scale;
  c.heads = 6, c.kv_heads = 2, c.head_dim = 32 * scale, c.context = 4096;
  c.attention_bias = arch == architecture::qwen2;
  c.tied = arch == architecture::qwen2;
  if (arch == architecture::mistral) c.window = 37;
  return c;
}

inline sequences some_sequences(int vocabulary, std::vector<int> const& lengths = {1, 2, 17, 65}) {
  std::mt19937 random(7);
  sequences all;
  for (int length : lengths) {
    all.emplace_back();
    for (int i = 0; i < length; ++i) all.back().push_back(token(random() % unsigned(vocabulary)));
  }
  return all;
}

constexpr numerics contract_of_leaves(int kv_leaf) { return {guarantee::batch_invariant, kv_leaf, cuda::emulated::contract.k_leaf}; }

/// The same bits under several ways to cut sequences into steps.
template <class Device, class Model, class T> void check_plans(model_config const& c, sequences const& all, all_logits const& expected, numerics leaves) {
  weights::random_weights source(c, 3);
  for (plan const& p : {plan{16, 1, 1, 1}, plan{64, 2, 7, 2}, plan{32, 1, 40, 3}}) {
    CAPTURE(p.page, p.chunk, p.seed);
    CHECK(run_model<Model, Device, T>(c, source, all, p, leaves) == expected);
  }
}

/// The largest difference of log-probabilities of the tokens.
inline double largest_difference(all_logits const& x, all_logits const& y, sequences const& all) {
  double worst = 0;
  for (std::size_t s = 0; s < all.size(); ++s) {
    auto const a = logprobs(x, s, all[s]), b = logprobs(y, s, all[s]);
    for (std::size_t i = 0; i < a.size(); ++i) worst = std::max(worst, std::abs(a[i] - b[i]));
  }
  return worst;
}

/// The mean square of differences of logits.
inline double mean_square(all_logits const& x, all_logits const& y) {
  double sum = 0, count = 0;
  for (std::size_t s = 0; s < x.of.size(); ++s)
    for (std::size_t i = 0; i < x.of[s].size(); ++i) sum += std::pow(double(x.of[s][i]) - double(y.of[s][i]), 2), ++count;
  return sum / count;
}

}  // namespace device_model
