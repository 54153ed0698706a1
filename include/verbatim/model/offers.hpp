// Larger shapes that a backend may recognise. Each has its reference meaning here, in the operations that every backend has;
// a backend that offers the fused one is asked instead, and must give the same bits (tests/conformance/model.cpp).
// What only products read (normed rows, attended ones, gated ones) may have a type of its own, which converts from rows.
#pragma once
#include <concepts>

#include "verbatim/backend/step.hpp"

namespace verbatim {

/// x += h w^T + bias.
template <class Ops, class Operand>
void add_linear(Ops& o, typename Ops::rows x, Operand h, typename Ops::matrix const& w,
                typename Ops::vector const& bias) {
  if constexpr (requires { o.linear_add(x, h, w, bias); }) o.linear_add(x, h, w, bias);
  else o.add(x, o.linear(h, w, bias));
}

/// Rotates queries and keys and appends keys and values to the cache; gives the queries.
template <class Ops, class Heads> typename Ops::rows rope_append(Ops& o, Heads heads, step const& s, int layer) {
  if constexpr (requires { o.rope_append(heads, s, layer); }) {
    return o.rope_append(heads, s, layer);
  } else {
    o.rope(heads, s);
    o.append(heads, s, layer);
    return heads.q;
  }
}

/// Rotated queries of h, whose keys and values are appended to the cache. Heads are normed where the norms are not empty.
template <class Ops, class Operand>
typename Ops::rows queries(Ops& o, Operand h, typename Ops::matrix const& qkv, typename Ops::vector const& bias, typename Ops::vector const& q_norm,
                           typename Ops::vector const& k_norm, step const& s, int layer) {
  if constexpr (requires { o.queries(h, qkv, bias, q_norm, k_norm, s, layer); }) {
    return o.queries(h, qkv, bias, q_norm, k_norm, s, layer);
  } else {
    auto const heads = o.split_heads(o.linear(h, qkv, bias), qkv);
    if (!q_norm.empty()) o.head_norm(heads, q_norm, k_norm);
    return rope_append(o, heads, s, layer);
  }
}

/// silu(gate(h)) * up(h).
template <class Ops, class Operand> auto gate_up(Ops& o, Operand h, typename Ops::matrix const& w) {
  if constexpr (requires { o.gate_up_silu(h, w); }) return o.gate_up_silu(h, w);
  else return o.silu_mul(o.linear(h, w));
}

}  // namespace verbatim
