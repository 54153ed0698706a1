// The tensors that a checkpoint of a given configuration holds, with their names in Hugging Face layout and their shapes:
// for random weights, for the floors and to say what a checkpoint lacks. In the order embedding, layers, norm, head.
// Cost: one small vector.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/core/tensor.hpp"
#include "verbatim/model/config.hpp"

namespace verbatim::weights {

/// What a tensor is for. A matrix is [out, in]; norms and biases are vectors.
enum class role : std::uint8_t { embedding, norm, bias, matrix, head };

struct expected_tensor {
  std::string name;
  extents shape;
  role as;
  int layer;   ///< -1: not of a layer
};

namespace detail {

inline void expect_layer(model_config const& c, int layer, std::vector<expected_tensor>& out) {
  std::string const at = "model.layers." + std::to_string(layer) + ".";
  std::int64_t const hidden = c.hidden, q = std::int64_t(c.heads) * c.head_dim, kv = std::int64_t(c.kv_heads) * c.head_dim;
  auto const vector = [&](char const* name, std::int64_t size, role as) { out.push_back({at + name, {{size}, 1}, as, layer}); };
  auto const matrix = [&](char const* name, std::int64_t rows, std::int64_t columns) {
    out.push_back({at + name, {{rows, columns}, 2}, role::matrix, layer});
  };
  vector("input_layernorm.weight", hidden, role::norm);
  matrix("self_attn.q_proj.weight", q, hidden);
  matrix("self_attn.k_proj.weight", kv, hidden);
  matrix("self_attn.v_proj.weight", kv, hidden);
  matrix("self_attn.o_proj.weight", hidden, q);
  if (c.attention_bias) {
    vector("self_attn.q_proj.bias", q, role::bias);
    vector("self_attn.k_proj.bias", kv, role::bias);
    vector("self_attn.v_proj.bias", kv, role::bias);
  }
  if (c.output_bias) vector("self_attn.o_proj.bias", hidden, role::bias);
  if (c.arch == architecture::qwen3) {
    vector("self_attn.q_norm.weight", c.head_dim, role::norm);
    vector("self_attn.k_norm.weight", c.head_dim, role::norm);
  }
  vector("post_attention_layernorm.weight", hidden, role::norm);
  matrix("mlp.gate_proj.weight", c.intermediate, hidden);
  matrix("mlp.up_proj.weight", c.intermediate, hidden);
  matrix("mlp.down_proj.weight", hidden, c.intermediate);
}

}  // namespace detail

inline std::vector<expected_tensor> expected_tensors(model_config const& c) {
  std::vector<expected_tensor> out;
  out.push_back({"model.embed_tokens.weight", {{c.vocabulary, c.hidden}, 2}, role::embedding, -1});
  for (int i = 0; i < c.layers; ++i) detail::expect_layer(c, i, out);
  out.push_back({"model.norm.weight", {{c.hidden}, 1}, role::norm, -1});
  if (!c.tied) out.push_back({"lm_head.weight", {{c.vocabulary, c.hidden}, 2}, role::head, -1});
  return out;
}

/// Tensors that a checkpoint may hold and no model reads: the duplicate head of a tied model, stored rotary frequencies.
inline bool is_ignorable(model_config const& c, std::string_view name) noexcept {
  constexpr std::string_view rotary = "rotary_emb.inv_freq";
  return (c.tied && name == "lm_head.weight") ||
         (name.size() >= rotary.size() && name.substr(name.size() - rotary.size()) == rotary);
}

}  // namespace verbatim::weights
