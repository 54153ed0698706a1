// One layer: a token mixer and a channel mixer, each behind an RMS norm and added to the residual.
#pragma once
#include <string>
#include <tuple>

#include "verbatim/core/model_config.hpp"
#include "verbatim/model/offers.hpp"
#include "verbatim/model/table.hpp"

namespace verbatim {

template <class Mixer, class FeedForward> struct block {
  template <class Ops> struct weights {
    typename Ops::vector mixer_norm, feed_forward_norm;
    typename Mixer::template weights<Ops> mixer;
    typename FeedForward::template weights<Ops> feed_forward;
  };

  static constexpr bool fits(model_config const& c) { return Mixer::fits(c); }
  static constexpr extents norm_shape(model_config const& c, int) { return vector_of_size(c.hidden); }

  template <class Ops>
  static constexpr auto table = std::tuple{
      weight{"input_layernorm.weight", &weights<Ops>::mixer_norm, shard::none, norm_shape},
      weight{"post_attention_layernorm.weight", &weights<Ops>::feed_forward_norm, shard::none, norm_shape}};

  template <class Ops, class F>
  static void visit(model_config const& c, std::string const& prefix, weights<Ops>& w, F&& f) {
    for_each_weight<block, Ops>(c, prefix, w, f);
    for_each_weight<Mixer, Ops>(c, prefix, w.mixer, f);
    for_each_weight<FeedForward, Ops>(c, prefix, w.feed_forward, f);
  }

  template <class Ops>
  static void forward(Ops& o, weights<Ops> const& w, typename Ops::rows x, step const& s, int layer) {
    {
      [[maybe_unused]] auto const scope = o.workspace_scope();
      Mixer::forward(o, w.mixer, x, o.rms_norm(x, w.mixer_norm), s, layer);
    }
    [[maybe_unused]] auto const scope = o.workspace_scope();
    FeedForward::forward(o, w.feed_forward, x, o.rms_norm(x, w.feed_forward_norm));
  }
};

}  // namespace verbatim
