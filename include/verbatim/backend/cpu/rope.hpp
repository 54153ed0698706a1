// Rotary embedding of one head in place, in the half-split form: (a, b) -> (a cos - b sin, b cos + a sin), a and b being the
// two halves. In bf16, tables and each of the three operations are rounded as transformers does; in f32 the sum is an fma.
// Elementwise. Guarantee: layout_invariant.
#pragma once
#include <cstddef>

#include "verbatim/backend/cpu/simd.hpp"

namespace verbatim::cpu {

/// `half` = head_dim / 2 cosines and sines of this row's position, already rounded to T.
template <class Isa, class T> inline void rotate(T* head, float const* cosine, float const* sine, int half) noexcept {
  using V = vector_of<Isa>;
  for (int i = 0; i < half; i += tree_lanes) {
    int const n = half - i;
    V const a = load_some<V>(head + i, n), b = load_some<V>(head + half + i, n);
    V const c = load_some<V>(cosine + i, n), s = load_some<V>(sine + i, n), minus = V(0.0f) - b;
    if constexpr (sizeof(T) == 4) {
      store_some(head + i, fma(minus, s, a * c), n);
      store_some(head + half + i, fma(a, s, b * c), n);
    } else {
      store_some(head + i, rounded_to<T>(a * c) + rounded_to<T>(minus * s), n);
      store_some(head + half + i, rounded_to<T>(b * c) + rounded_to<T>(a * s), n);
    }
  }
}

/// The table row of one position.
template <class T> inline void rope_row(float const* frequencies, int half, int position, float* cosine, float* sine) noexcept {
  for (int i = 0; i < half; ++i) {
    math::sine_cosine const sc = math::sin_cos(float(position) * frequencies[i]);
    cosine[i] = to_float(from_float<T>(sc.cosine));
    sine[i] = to_float(from_float<T>(sc.sine));
  }
}

}  // namespace verbatim::cpu
