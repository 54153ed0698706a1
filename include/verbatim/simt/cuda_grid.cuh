// The grid on a GPU: every member is an intrinsic or a memory access, with no state. Compile
// without --use_fast_math, which changes bits.
#pragma once
#include <type_traits>

#include "verbatim/simt/grid.hpp"

#if !defined(__CUDACC__)
#error "verbatim: a .cuh header needs nvcc"
#endif

namespace verbatim::simt {

extern __shared__ __align__(16) unsigned char dynamic_shared[];

template <class T> class cuda_shared {
 public:
  __device__ __forceinline__ explicit cuda_shared(place p) : data_(reinterpret_cast<T*>(dynamic_shared + p.offset)) {}
  __device__ __forceinline__ T load(int i) const { return data_[i]; }
  __device__ __forceinline__ void store(int i, T const& v) const { data_[i] = v; }
  template <int N> __device__ __forceinline__ pack<T, N> load_pack(int i) const { return *reinterpret_cast<pack<T, N> const*>(data_ + i); }
  template <int N> __device__ __forceinline__ void store_pack(int i, pack<T, N> const& v) const { *reinterpret_cast<pack<T, N>*>(data_ + i) = v; }

  __device__ __forceinline__ unsigned address(int i) const { return unsigned(__cvta_generic_to_shared(data_ + i)); }

 private:
  T* data_;
};

struct cuda_grid {
  __device__ __forceinline__ int thread() const { return int(threadIdx.x); }
  __device__ __forceinline__ int threads() const { return int(blockDim.x); }
  __device__ __forceinline__ int block_x() const { return int(blockIdx.x); }
  __device__ __forceinline__ int block_y() const { return int(blockIdx.y); }
  __device__ __forceinline__ int block_z() const { return int(blockIdx.z); }

  __device__ __forceinline__ void sync() const { __syncthreads(); }
  __device__ __forceinline__ void sync_warp() const { __syncwarp(); }
  template <class T> __device__ __forceinline__ T shfl_xor(T v, int mask) const { return __shfl_xor_sync(0xffffffffu, v, mask); }

  template <class T> __device__ __forceinline__ cuda_shared<T> shared(place p) const { return cuda_shared<T>(p); }

  template <class T, class Index> __device__ __forceinline__ std::remove_const_t<T> load(global<T> m, Index i) const { return m.data[i]; }
  template <class T, class Index> __device__ __forceinline__ void store(global<T> m, Index i, T v) const { m.data[i] = v; }
  template <int N, class T, class Index> __device__ __forceinline__ pack<std::remove_const_t<T>, N> load_pack(global<T> m, Index i) const {
    return *reinterpret_cast<pack<std::remove_const_t<T>, N> const*>(m.data + i);
  }
  template <int N, class T, class Index> __device__ __forceinline__ void store_pack(global<T> m, Index i, pack<T, N> const& p) const {
    *reinterpret_cast<pack<T, N>*>(m.data + i) = p;
  }
  __device__ __forceinline__ bool last_to_arrive(global<unsigned> m, int i, int count) const {
    unsigned const last = unsigned(count) - 1;
    __threadfence();
    bool const is_last = atomicInc(m.data + i, last) == last;   // starts anew at 0
    __threadfence();
    return is_last;
  }
  __device__ __forceinline__ mma_c mma(mma_a const& a, mma_b const& b, mma_c c) const {
    unsigned const a0 = bits_as<unsigned>(a.part[0]), a1 = bits_as<unsigned>(a.part[1]), a2 = bits_as<unsigned>(a.part[2]), a3 = bits_as<unsigned>(a.part[3]);
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(c.value[0]), "+f"(c.value[1]), "+f"(c.value[2]), "+f"(c.value[3])
        : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(bits_as<unsigned>(b.part[0])), "r"(bits_as<unsigned>(b.part[1])));
    return c;
  }
  template <int N, bool Transposed = false> __device__ __forceinline__ matrices<N> load_matrix(cuda_shared<bf16> m, int i) const {
    static_assert(N == 4);
    unsigned r[4];
    if constexpr (Transposed)
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                   : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(m.address(i)) : "memory");
    else
      asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                   : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(m.address(i)) : "memory");
    matrices<4> result;
    for (int j = 0; j < 4; ++j) result.part[j] = bits_as<pack<bf16, 2>>(r[j]);
    return result;
  }
  template <int N, class T, class Index> __device__ __forceinline__ void copy_async(cuda_shared<std::remove_const_t<T>> to, int i, global<T> from, Index j) const {
    static_assert(N * sizeof(T) == 16);
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" :: "r"(to.address(i)), "l"(from.data + j) : "memory");
  }
  __device__ __forceinline__ void copy_commit() const { asm volatile("cp.async.commit_group;" ::: "memory"); }
  template <int N> __device__ __forceinline__ void copy_wait() const { asm volatile("cp.async.wait_group %0;" :: "n"(N) : "memory"); }
};

static_assert(tensor_grid<cuda_grid>);

}  // namespace verbatim::simt
