// What kernel bodies share: exact widening of packs, products and quotients that no compiler contracts or approximates, and
// sums over a block in a fixed tree. On devices the arithmetic is named by its rounding (__fmul_rn ...), so -fmad changes nothing.
#pragma once
#include "verbatim/core/bf16.hpp"
#include "verbatim/numerics/math.hpp"
#include "verbatim/simt/grid.hpp"

namespace verbatim::kernel {

using simt::full_pack;
using simt::global;
using simt::launch_shape;
using simt::pack;
using simt::pack_size;
using simt::place;
using simt::warp_lanes;

#if defined(__CUDA_ARCH__)
VERBATIM_KERNEL float product(float a, float b) { return __fmul_rn(a, b); }
VERBATIM_KERNEL float sum(float a, float b) { return __fadd_rn(a, b); }
VERBATIM_KERNEL float quotient(float a, float b) { return __fdiv_rn(a, b); }
VERBATIM_KERNEL float square_root(float a) { return __fsqrt_rn(a); }
#else
VERBATIM_KERNEL float product(float a, float b) {
  float p = a * b;
#if defined(__GNUC__) && !defined(__clang__)
  asm("" : "+m"(p));   // GCC fuses a product with a sum that it is inlined into, here and not there
#endif
  return p;
}
VERBATIM_KERNEL float sum(float a, float b) { return a + b; }
VERBATIM_KERNEL float quotient(float a, float b) { return a / b; }
VERBATIM_KERNEL float square_root(float a) { return __builtin_sqrtf(a); }
#endif

template <class T> VERBATIM_KERNEL float rounded_to(float x) { return to_float(from_float<T>(x)); }
/// Two values rounded to bf16, side by side; one instruction of a GPU.
VERBATIM_KERNEL pack<bf16, 2> rounded_pair(float first, float second) {
#if defined(__CUDA_ARCH__)
  std::uint32_t both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
  return bits_as<pack<bf16, 2>>(both);
#else
  return {{to_bf16(first), to_bf16(second)}};
#endif
}
VERBATIM_HD constexpr int blocks_for(int count, int each) { return (count + each - 1) / each; }

/// Sum over a block, the same value for all threads: butterflies of warps (lanes 16, 8, 4, 2, 1 apart), then warps in ascending
/// order. `scratch` has a float per warp; a barrier comes before it is written, so it may be used again at once.
template <class Grid> VERBATIM_KERNEL float block_sum(Grid g, float v, place scratch) {
  for (int m = warp_lanes / 2; m > 0; m /= 2) v = sum(v, g.shfl_xor(v, m));
  auto const of_warp = g.template shared<float>(scratch);
  g.sync();
  if (g.thread() % warp_lanes == 0) of_warp.store(g.thread() / warp_lanes, v);
  g.sync();
  float total = 0;
  for (int w = 0; w < g.threads() / warp_lanes; ++w) total = sum(total, of_warp.load(w));
  return total;
}

}  // namespace verbatim::kernel
