// Sixteen f32 lanes, one type per instruction set, with the same bits from each: every kernel is written once over
// `lanes<Isa>`. Lane i always means the same element, whatever the register width (two registers on AVX2). Operations are
// IEEE single; a product that is summed is always written as fma. `word` loads and broadcasts move 32 raw bits a lane: one
// f32, or two consecutive bf16.
#pragma once
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "verbatim/backend/cpu/isa.hpp"
#include "verbatim/core/bf16.hpp"
#include "verbatim/numerics/math.hpp"
#include "verbatim/numerics/reduce.hpp"

#define VERBATIM_INLINE inline __attribute__((always_inline))

namespace verbatim::cpu {

/// Calls f(integral_constant 0), ..., f(integral_constant N - 1), unrolled at any optimisation level.
template <int N, class F> VERBATIM_INLINE void repeat(F&& f) {
  [&]<int... At>(std::integer_sequence<int, At...>) __attribute__((always_inline)) {
    (f(std::integral_constant<int, At>{}), ...);
  }(std::make_integer_sequence<int, N>{});
}

/// 32 bits from anywhere: a f32 or a pair of bf16.
VERBATIM_INLINE std::uint32_t load_word(void const* p) noexcept {
  std::uint32_t w;
  std::memcpy(&w, p, 4);
  return w;
}

template <class Isa> struct lanes;  // sixteen f32; only for instruction sets that this target has

/// The vector type of an instruction set; bf16 dot products use the registers of avx512.
template <class Isa> using vector_of = lanes<std::conditional_t<std::is_same_v<Isa, avx512bf16>, avx512, Isa>>;

}  // namespace verbatim::cpu

#include "verbatim/backend/cpu/simd_scalar.hpp"
#if VERBATIM_HAS_AVX2
#include "verbatim/backend/cpu/simd_avx2.hpp"
#endif
#if VERBATIM_HAS_AVX512
#include "verbatim/backend/cpu/simd_avx512.hpp"
#endif

namespace verbatim::cpu {

/// The first `count` (<= 16) elements, zeros after them.
template <class V, class T> VERBATIM_INLINE V load_some(T const* p, int count) noexcept {
  if (count >= tree_lanes) return V::load(p);
  T buffer[tree_lanes] = {};
  std::memcpy(buffer, p, std::size_t(count) * sizeof(T));
  return V::load(buffer);
}

/// Stores the first `count` lanes only.
template <class V, class T> VERBATIM_INLINE void store_some(T* p, V v, int count) noexcept {
  if (count >= tree_lanes) return v.store(p);
  T buffer[tree_lanes];
  v.store(buffer);
  std::memcpy(p, buffer, std::size_t(count) * sizeof(T));
}

/// v rounded to what T can hold, still as f32.
template <class T, class V> VERBATIM_INLINE V rounded_to(V v) noexcept {
  if constexpr (sizeof(T) == 2) return v.to_bf16();
  else return v;
}

template <class V> VERBATIM_INLINE float tree_sum(V v) noexcept {
  alignas(64) float lane[tree_lanes];
  v.store(lane);
  return verbatim::tree_sum(lane);
}

template <class V> VERBATIM_INLINE float maximum(V v) noexcept {
  alignas(64) float lane[tree_lanes];
  v.store(lane);
  float m = lane[0];
  for (int i = 1; i < tree_lanes; ++i) m = math::max(lane[i], m);
  return m;
}

}  // namespace verbatim::cpu
