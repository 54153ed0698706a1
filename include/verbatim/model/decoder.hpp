// A decoder-only transformer: embedding, layers of one kind, norm, head. A tied head is the embedding itself (packed
// once). `forward` is the reference semantics; every backend runs this text.
#pragma once
#include <string>
#include <tuple>
#include <vector>

#include "verbatim/backend/ops.hpp"
#include "verbatim/backend/step.hpp"
#include "verbatim/core/model_config.hpp"
#include "verbatim/model/table.hpp"

namespace verbatim {

template <class Block> struct decoder {
  template <class Ops> struct weights {
    typename Ops::matrix embedding, head;
    typename Ops::vector norm;
    std::vector<typename Block::template weights<Ops>> layers;
  };

  /// Whether a checkpoint with these numbers is of this architecture.
  static constexpr bool fits(model_config const& c) { return Block::fits(c); }

  static constexpr extents table_shape(model_config const& c, int) { return matrix_of(c.vocabulary, c.hidden); }
  static constexpr extents norm_shape(model_config const& c, int) { return vector_of_size(c.hidden); }
  static constexpr bool untied(model_config const& c) { return !c.tied; }

  template <class Ops>
  static constexpr auto table = std::tuple{
      weight{"model.embed_tokens.weight", &weights<Ops>::embedding, shard::rows, table_shape},
      weight{"model.norm.weight", &weights<Ops>::norm, shard::none, norm_shape},
      weight{"lm_head.weight", &weights<Ops>::head, shard::rows, table_shape, untied}};

  /// Calls f(prefix, entry, member) for every weight; w.layers has its size already.
  template <class Ops, class F> static void visit(model_config const& c, weights<Ops>& w, F&& f) {
    for_each_weight<decoder, Ops>(c, "", w, f);
    for (std::size_t i = 0; i < w.layers.size(); ++i)
      Block::visit(c, "model.layers." + std::to_string(i) + ".", w.layers[i], f);
  }

  /// Logits of the step's output rows. Appends keys and values of the step's tokens to their pages.
  template <class Ops> static logits_view forward(Ops& o, weights<Ops> const& w, step const& s) {
    o.begin(s);
    auto const x = o.embed(w.embedding, s);
    for (std::size_t i = 0; i < w.layers.size(); ++i) Block::forward(o, w.layers[i], x, s, int(i));
    return o.logits(o.rms_norm(o.output_rows(x, s), w.norm), w.head.empty() ? w.embedding : w.head);
  }
};

}  // namespace verbatim
