// The gated feed-forward of llama and its kin: down(silu(gate(h)) * up(h)).
#pragma once
#include <tuple>

#include "verbatim/core/model_config.hpp"
#include "verbatim/model/offers.hpp"
#include "verbatim/model/table.hpp"

namespace verbatim {

struct swiglu {
  template <class Ops> struct weights {
    typename Ops::matrix gate_up, down;
    typename Ops::vector no_bias;
  };

  static constexpr extents gate_up_shape(model_config const& c, int) { return matrix_of(c.intermediate, c.hidden); }
  static constexpr extents down_shape(model_config const& c, int) { return matrix_of(c.hidden, c.intermediate); }

  template <class Ops>
  static constexpr auto table = std::tuple{
      weight{"mlp.{gate,up}_proj.weight", &weights<Ops>::gate_up, shard::rows, gate_up_shape},
      weight{"mlp.down_proj.weight", &weights<Ops>::down, shard::cols, down_shape}};

  /// x += feed_forward(h).
  template <class Ops, class Operand>
  static void forward(Ops& o, weights<Ops> const& w, typename Ops::rows x, Operand h) {
    add_linear(o, x, verbatim::gate_up(o, h, w.gate_up), w.down, w.no_bias);
  }
};

}  // namespace verbatim
