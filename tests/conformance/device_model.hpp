// Models for tests of CUDA devices: under the host executor (model_device.cpp) and on a GPU (tests/cuda).
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include "../model_runner.hpp"
#include "../../cmake/separate/emulated/kernels.hpp"
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

/// The root of the mean square of the differences of log-probabilities, of the whole vocabulary at every position.
inline double distance(all_logits const& x, all_logits const& y) {
  auto const v = std::size_t(x.vocabulary);
  auto const log_total = [v](float const* row) {
    double const peak = *std::max_element(row, row + v);
    double sum = 0;
    for (std::size_t i = 0; i < v; ++i) sum += std::exp(double(row[i]) - peak);
    return peak + std::log(sum);
  };
  double squares = 0, count = 0;
  for (std::size_t s = 0; s < x.of.size(); ++s)
    for (std::size_t at = 0; at < x.of[s].size(); at += v) {
      float const *const a = x.of[s].data() + at, *const b = y.of[s].data() + at;
      double const shift = log_total(a) - log_total(b);
      for (std::size_t i = 0; i < v; ++i, ++count) squares += std::pow(double(a[i]) - double(b[i]) - shift, 2);
    }
  return std::sqrt(squares / count);
}

/// bf16 on a device lies as far from f32 with the same weights as bf16 on the CPU does, whatever the model. Both round the same values at
/// the same twelve places of a layer (norm, q k v, rotation, attention, projection, sum, norm, gate and up, silu, product, projection, sum), by
/// up to 2^-9 of a value; between them all is f32, whose own errors are 2^-15 of that. They decide, at few places, to which side a value
/// falls; from there on the two have other errors, but as many and of the same size, and the distances are roots of sums of their squares.
/// Tensor cores round the weights of values besides: a thirteenth place, so 4 % more of the root. The rest is room for chance. Seen over three
/// seeds: 0.96 to 1.03 times as far; the faults of check_faults: 2.7 times and more.
constexpr double as_far = 1.2;

/// Weights of which some elements (row, column) of tensors with such a name are zero.
struct with_zeros {
  weights::random_weights source;
  std::string name;
  bool (*is_zero)(int row, int column, model_config const& c);
  std::uint64_t version() const noexcept { return 0; }
  void each(void (*visit)(tensor const&, void*), void* self) const {
    weights::for_each(source, [&](tensor const& t) {
      if (t.name.find(name) == t.name.npos) return visit(t, self);
      auto const* const from = static_cast<bf16 const*>(t.data);
      std::vector<bf16> values(from, from + t.shape.elements());
      int const columns = t.shape.rank == 2 ? int(t.shape.size[1]) : 1;
      for (int i = 0; i < int(values.size()); ++i)
        if (is_zero(i / columns, i % columns, source.config())) values[std::size_t(i)] = {};
      tensor changed = t;
      changed.data = values.data();
      visit(changed, self);
    });
  }
};

/// Models with one fault each are further from f32 than `bound`: a head that is left out, one output of a projection, a bias, positions that
/// are one too low at the end.
template <class Model> void check_faults(model_config const& c, sequences const& all, all_logits const& in_f32, double bound) {
  weights::random_weights source(c, 3);
  auto const fails = [&](char const* fault, auto&& weights, model_config const& config) {
    double const far = distance(run_model<Model, cpu::native, bf16>(config, weights, all), in_f32);
    CAPTURE(fault, far, bound);
    CHECK(far > bound);
  };
  fails("a head", with_zeros{source, "layers.0.self_attn.o_proj.weight", [](int, int column, model_config const& m) { return column / m.head_dim == m.heads - 1; }}, c);
  fails("an output", with_zeros{source, "layers.0.mlp.down_proj.weight", [](int row, int, model_config const&) { return row == 7; }}, c);
  if (c.attention_bias) fails("a bias", with_zeros{source, "layers.0.self_attn.q_proj.bias", [](int, int, model_config const&) { return true; }}, c);
  int longest = 2;
  for (auto const& s : all) longest = std::max(longest, int(s.size()));
  model_config other = c;
  other.scaling.type = rope_scaling::kind::linear, other.scaling.factor = float(longest) / float(longest - 1);
  fails("positions", source, other);
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

/// Whether `got`, logits of a device, are those of the CPU but for rounding; and, in bf16, that this would find a fault.
template <class Model, class T> void check_distance(model_config const& c, sequences const& all, all_logits const& got) {
  weights::random_weights source(c, 3);
  auto const in_f32 = run_model<Model, cpu::native, float>(c, source, all);
  double const here = distance(got, in_f32);
  CHECK(here > 0);
  if constexpr (sizeof(T) == 4) {
    CHECK(largest_difference(got, in_f32, all) < 2e-5);
  } else {
    double const on_cpu = distance(run_model<Model, cpu::native, bf16>(c, source, all), in_f32);
    CAPTURE(on_cpu, here);
    CHECK(here < as_far * on_cpu);
    check_faults<Model>(c, all, in_f32, as_far * on_cpu);
  }
}

}  // namespace device_model
