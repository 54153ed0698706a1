// Row-wise operations between the linears. Arithmetic in f32; rounded to T where transformers rounds in T.
// Sums are fixed trees of sixteen lanes over the row; everything else is elementwise. Guarantee: layout_invariant.
#pragma once
#include <cmath>
#include <cstddef>

#include "verbatim/backend/cpu/simd.hpp"

namespace verbatim::cpu {

/// y = w * T(x / sqrt(mean(x^2) + eps)), n elements; the product is rounded to T once more. May run in place.
template <class Isa, class T> inline void rms_norm(T const* x, float const* w, T* y, int n, float eps) noexcept {
  using V = vector_of<Isa>;
  V squares(0.0f);
  for (int i = 0; i < n; i += tree_lanes) {
    V const v = load_some<V>(x + i, n - i);
    squares = fma(v, v, squares);
  }
  float const scale = 1.0f / std::sqrt(tree_sum(squares) / float(n) + eps);
  for (int i = 0; i < n; i += tree_lanes) {
    V const v = rounded_to<T>(load_some<V>(x + i, n - i) * V(scale));
    store_some(y + i, load_some<V>(w + i, n - i) * v, n - i);
  }
}

/// x = T(x + y).
template <class Isa, class T> inline void add(T* x, T const* y, int n) noexcept {
  using V = vector_of<Isa>;
  for (int i = 0; i < n; i += tree_lanes) store_some(x + i, load_some<V>(x + i, n - i) + load_some<V>(y + i, n - i), n - i);
}

/// T(T(silu(gate)) * up) of vectors of T values.
template <class T, class V> VERBATIM_INLINE V silu_mul(V gate, V up) noexcept { return rounded_to<T>(math::silu(gate)) * up; }

}  // namespace verbatim::cpu
