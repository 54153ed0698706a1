// What steps take of a device's memory beside weights and pages of keys and values: their tables, angles, activations, partial sums, logits
// and results. All is allocated at construction, and its size follows from the model's numbers and the limits alone: with planned_steps as
// the executor nothing is allocated, and bytes() is what an executor will be asked for.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>

#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/backend/cuda/parts.hpp"
#include "verbatim/backend/cuda/row_sampler.hpp"
#include "verbatim/backend/cuda/step_tables.hpp"
#include "verbatim/backend/ops.hpp"
#include "verbatim/core/model_config.hpp"
#include "verbatim/kernel/sm90/tiles.hpp"

namespace verbatim::cuda {

template <class Executor, class T, class Attention, class Linear> struct step_memory {
  template <class U> using array = device_array<Executor, U>;

  /// Preconditions: check_shape has passed; leaf, the contract's kv_leaf.
  step_memory(model_config const& c, ops_limits const& l, int leaf)
      : tables(l, leaf, Attention::shares_prefixes), frequencies(std::size_t(c.head_dim / 2)), cosine(std::size_t(l.tokens) * frequencies.size()), sine(cosine.size()),
        partial(std::min<std::size_t>(partial_of(c, l.slices, rounded_leaves(tables.most_leaves())), std::size_t(1) << 27)), workspace(workspace_room(c, l)),
        logits(std::size_t(l.outputs) * std::size_t(c.vocabulary)), scratch_rows(row_room(c, l)), scratch_partial(partial_products(c, l)), sampler(l.outputs) {}

  std::size_t bytes() const noexcept {
    return tables.bytes() + frequencies.bytes() + cosine.bytes() + sine.bytes() + partial.bytes() + workspace.bytes() + logits.bytes() + scratch_rows.bytes() +
           scratch_partial.bytes() + sampler.bytes();
  }

  /// Elements of attention's partial results.
  static std::size_t partial_of(model_config const& c, int rows, int leaves) noexcept {
    return std::size_t(rows) * std::size_t(c.heads) * std::size_t(leaves) * std::size_t(c.head_dim + 2);
  }
  /// Of the tiles of rows that only products read; 0: these are rows.
  static constexpr int groups_of(int rows) noexcept {
    if constexpr (Linear::template tiled<T>) return Linear::groups(rows);
    else return 0;
  }
  static constexpr std::size_t operand_elements(int rows, int columns, int groups) noexcept {
    return groups > 0 ? kernel::sm90::activation_elements(groups, columns) : std::size_t(rows) * std::size_t(columns);
  }
  /// That a model asks for.
  static std::array<product_kind, 5> products(model_config const& c, ops_limits const& l) noexcept {
    int const q = c.heads * c.head_dim, kv = c.kv_heads * c.head_dim, rows = l.tokens;
    return {{{q + 2 * kv, c.hidden, rows, c.attention_bias}, {c.hidden, q, rows, c.output_bias}, {2 * c.intermediate, c.hidden, rows},
             {c.hidden, c.intermediate, rows}, {c.vocabulary, c.hidden, l.outputs, false, true}}};
  }

  step_tables<Executor> tables;
  array<float> frequencies, cosine, sine;
  array<float> partial;     ///< for a full batch at a full context, but at most 512 MiB: beyond that a block visits all leaves of its rows
  array<T> workspace;
  array<float> logits;
  array<T> scratch_rows;
  array<float> scratch_partial;
  row_sampler<Executor> sampler;

 private:
  /// What a decoder takes at most: the residual, and in a layer the norm, q, k, v, the rotated queries, the attention's rows and their
  /// projection, or the norm, gate, up, their product and its projection.
  static std::size_t workspace_room(model_config const& c, ops_limits const& l) noexcept {
    std::size_t const hidden = std::size_t(c.hidden), q = std::size_t(c.heads * c.head_dim), kv = std::size_t(c.kv_heads * c.head_dim);
    std::size_t const inner = std::size_t(c.intermediate), rows = std::size_t(l.tokens), outputs = std::size_t(l.outputs);
    auto const operand = [](int n, int columns) { return operand_elements(n, columns, groups_of(n)); };
    std::size_t const attention = operand(l.tokens, c.hidden) + operand(l.tokens, int(q)) + (hidden + 2 * q + 2 * kv) * rows;
    std::size_t const feed_forward = operand(l.tokens, c.hidden) + operand(l.tokens, c.intermediate) + (hidden + 2 * inner) * rows;
    return hidden * rows + std::max(attention, feed_forward) + hidden * outputs + operand(l.outputs, c.hidden) + 64 * 16;
  }
  static std::size_t row_room(model_config const& c, ops_limits const& l) noexcept {
    return Linear::template row_room<T>(l.tokens, std::max({c.hidden, c.heads * c.head_dim, c.intermediate}));
  }
  static std::size_t partial_products(model_config const& c, ops_limits const& l) noexcept {
    std::size_t most = 0;
    for (auto const& p : products(c, l)) most = std::max(most, Linear::partial_room(p, Executor::processors));
    return most;
  }
};

/// An executor that steps are planned for rather than run by.
template <class Executor> struct planned_steps : no_memory {
  static constexpr int processors = Executor::processors;
};

}  // namespace verbatim::cuda
