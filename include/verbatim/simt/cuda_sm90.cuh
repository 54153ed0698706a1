// The grid on a GPU of sm_90a: instructions of PTX ISA 9.0. A block's shared memory starts at a multiple of 1024, where swizzle patterns
// start. What is asynchronous is volatile and clobbers memory, so that compilers keep its order.
#pragma once
#include "verbatim/simt/cuda_grid.cuh"
#include "verbatim/simt/cuda_wgmma.cuh"
#include "verbatim/simt/sm90.hpp"

namespace verbatim::simt {

extern __shared__ __align__(swizzle_bytes) unsigned char swizzled_shared[];

struct cuda_sm90_grid : cuda_grid {
  template <int N> struct accumulator {
    float value[N / 2];
    __device__ __forceinline__ float get(int i) const { return value[i]; }
  };

  __device__ __forceinline__ int uniform(int i) const { return __shfl_sync(0xffffffffu, i, 0); }

  // mbarrier. Default semantics: arrive releases, wait acquires, both in the block.
  __device__ __forceinline__ void barrier_init(barrier b, int arrivals) const {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(address(b.offset)), "r"(arrivals) : "memory");
  }
  /// For other threads and for the copies that will tell the barrier.
  __device__ __forceinline__ void barrier_init_fence() const {
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    proxy_fence();
  }
  __device__ __forceinline__ void arrive(barrier b) const { asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(address(b.offset)) : "memory"); }
  __device__ __forceinline__ void arrive_expect(barrier b, int bytes) const {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(address(b.offset)), "r"(bytes) : "memory");
  }
  /// try_wait may give up after a while that the system chooses, so it is asked again.
  __device__ __forceinline__ void wait(barrier b, int parity) const {
    for (unsigned done = 0; !done;)
      asm volatile(
          "{\n .reg .pred p;\n mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n selp.b32 %0, 1, 0, p;\n}"
          : "=r"(done) : "r"(address(b.offset)), "r"(parity) : "memory");
  }
  /// cp.async.bulk: addresses and size are multiples of 16. The block's own shared::cta addresses are shared::cluster addresses too.
  template <class T, class Index>
  __device__ __forceinline__ void copy_bulk(int to, global<T const> m, Index from, int count, barrier b, eviction keep, origin) const {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.L2::cache_hint [%0], [%1], %2, [%3], %4;" ::"r"(address(to)),
                 "l"(__cvta_generic_to_global(m.data + from)), "r"(count * int(sizeof(T))), "r"(address(b.offset)), "l"(policy(keep)) : "memory");
  }
  __device__ __forceinline__ void proxy_fence() const { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

  /// A matrix at a byte of shared memory, which lies at a multiple of 32 in a row that starts a pattern.
  __device__ __forceinline__ std::uint64_t descriptor(int offset) const { return matrix_descriptor(address(offset)); }

  // 9.7.15.7. ptxas wants a fence before each batch and injects one otherwise.
  __device__ __forceinline__ void mma_fence() const { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
  template <int N> __device__ __forceinline__ void multiply(accumulator<N>& c, std::uint64_t a, std::uint64_t b, bool add) const { wgmma(c.value, a, b, add); }
  __device__ __forceinline__ void mma_commit() const { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
  /// Compilers take accumulators for done after `multiply`; empty statements that change them keep reads behind the wait.
  template <int Left, int N> __device__ __forceinline__ void mma_wait(accumulator<N>& c) const {
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Left) : "memory");
    if constexpr (Left == 0) hold(c);
  }

  /// setmaxnreg. Of the registers that a launch of these threads has; __launch_bounds__(threads, 1) says how many those are.
  template <int Count> __device__ __forceinline__ void registers_decrease() const { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count)); }
  template <int Count> __device__ __forceinline__ void registers_increase() const { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count)); }

  /// The intrinsics and not their instructions, which compilers could move. The second fence is for copies: they read global memory by
  /// another way than the stores of the launch before went.
  __device__ __forceinline__ void dependency_wait() const {
    cudaGridDependencySynchronize();
    asm volatile("fence.proxy.async.global;" ::: "memory");
  }
  __device__ __forceinline__ void dependents_may_start() const { cudaTriggerProgrammaticLaunchCompletion(); }

 private:
  __device__ __forceinline__ static std::uint32_t address(int offset) { return std::uint32_t(__cvta_generic_to_shared(swizzled_shared)) + std::uint32_t(offset); }
  __device__ __forceinline__ static std::uint64_t policy(eviction keep) {   // createpolicy
    std::uint64_t p;
    if (keep == eviction::first) asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(p));
    else if (keep == eviction::last) asm("createpolicy.fractional.L2::evict_last.b64 %0, 1.0;" : "=l"(p));
    else asm("createpolicy.fractional.L2::evict_normal.b64 %0, 1.0;" : "=l"(p));
    return p;
  }
  template <int N> __device__ __forceinline__ static void hold(accumulator<N>& c) {
#pragma unroll
    for (int i = 0; i < N / 2; ++i) asm volatile("" : "+f"(c.value[i])::"memory");
  }
};

static_assert(sm90_grid<cuda_sm90_grid>);

}  // namespace verbatim::simt
