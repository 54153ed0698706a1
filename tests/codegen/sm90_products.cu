// contains: m64n8k16, m64n16k16, m64n32k16, m64n64k16, m64n128k16, m64n256k16, wgmma.fence, wgmma.commit_group, wgmma.wait_group, fence.proxy.async
#include "verbatim/simt/cuda_sm90.cuh"

namespace verbatim::codegen {
/// Every product once, of what ordinary stores put into shared memory.
template <int N> __global__ void __launch_bounds__(128) product(simt::global<float> out) {
  simt::cuda_sm90_grid const g;
  auto const zeros = simt::full_pack<bf16>{};
  for (int i = g.thread(); i < 8 * (64 + N); i += 128) reinterpret_cast<simt::full_pack<bf16>*>(simt::swizzled_shared)[i] = zeros;
  g.proxy_fence();
  g.sync();
  simt::cuda_sm90_grid::accumulator<N> c;
  g.mma_fence();
  for (int k = 0; k < 4; ++k) g.multiply(c, g.descriptor(32 * k), g.descriptor(8192 + 32 * k), k > 0);
  g.mma_commit();
  g.mma_wait<0>(c);
#pragma unroll
  for (int i = 0; i < N / 2; ++i) {
    auto const at = simt::accumulator_element(g.thread(), i);
    g.store(out, at.row * N + at.column, c.get(i));
  }
}
template __global__ void product<8>(simt::global<float>);
template __global__ void product<16>(simt::global<float>);
template __global__ void product<32>(simt::global<float>);
template __global__ void product<64>(simt::global<float>);
template __global__ void product<128>(simt::global<float>);
template __global__ void product<256>(simt::global<float>);
}  // namespace verbatim::codegen
