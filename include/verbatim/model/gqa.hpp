// Grouped-query attention, with what varies between decoders as options: gqa<> (llama, mistral), gqa<qkv_bias> (qwen2),
// gqa<qk_norm> (qwen3). The sliding window is a number of the config, per layer. qkv_bias always has biases on q, k and
// v; the others where the config says so ("attention_bias"), which may also put one on the output.
#pragma once
#include <tuple>

#include "verbatim/core/model_config.hpp"
#include "verbatim/model/offers.hpp"
#include "verbatim/model/table.hpp"

namespace verbatim {

struct qkv_bias {};
struct qk_norm {};

template <class... Options> struct gqa {
  template <class Option> static constexpr bool has = (std::same_as<Option, Options> || ...);

  template <class Ops> struct weights {
    typename Ops::matrix qkv, out;
    typename Ops::vector qkv_bias, out_bias, q_norm, k_norm;
  };

  static constexpr bool fits(model_config const& c) {
    if (has<qkv_bias>) return c.arch == architecture::qwen2;
    if (has<qk_norm>) return c.arch == architecture::qwen3;
    return c.arch == architecture::llama || c.arch == architecture::mistral;
  }

  // Shapes and presence. q has all heads, k and v the kv heads.
  static constexpr int width(model_config const& c, int part) { return (part == 0 ? c.heads : c.kv_heads) * c.head_dim; }
  static constexpr extents qkv_shape(model_config const& c, int part) { return matrix_of(width(c, part), c.hidden); }
  static constexpr extents qkv_bias_shape(model_config const& c, int part) { return vector_of_size(width(c, part)); }
  static constexpr extents out_shape(model_config const& c, int) { return matrix_of(c.hidden, c.heads * c.head_dim); }
  static constexpr extents out_bias_shape(model_config const& c, int) { return vector_of_size(c.hidden); }
  static constexpr extents norm_shape(model_config const& c, int) { return vector_of_size(c.head_dim); }
  static constexpr bool with_qkv_bias(model_config const& c) { return has<verbatim::qkv_bias> || c.attention_bias; }
  static constexpr bool with_out_bias(model_config const& c) { return c.output_bias; }
  static constexpr bool with_norm(model_config const&) { return has<qk_norm>; }

  template <class Ops>
  static constexpr auto table = std::tuple{
      weight{"self_attn.{q,k,v}_proj.weight", &weights<Ops>::qkv, shard::rows, qkv_shape},
      weight{"self_attn.{q,k,v}_proj.bias", &weights<Ops>::qkv_bias, shard::rows, qkv_bias_shape, with_qkv_bias},
      weight{"self_attn.o_proj.weight", &weights<Ops>::out, shard::cols, out_shape},
      weight{"self_attn.o_proj.bias", &weights<Ops>::out_bias, shard::none, out_bias_shape, with_out_bias},
      weight{"self_attn.q_norm.weight", &weights<Ops>::q_norm, shard::none, norm_shape, with_norm},
      weight{"self_attn.k_norm.weight", &weights<Ops>::k_norm, shard::none, norm_shape, with_norm}};

  /// x += attention(h): h are the normed rows, x the residual.
  template <class Ops, class Operand>
  static void forward(Ops& o, weights<Ops> const& w, typename Ops::rows x, Operand h, step const& s, int layer) {
    add_linear(o, x, o.attend(queries(o, h, w.qkv, w.qkv_bias, w.q_norm, w.k_norm, s, layer), s, layer), w.out, w.out_bias);
  }
};

}  // namespace verbatim
