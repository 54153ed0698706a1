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
};

static_assert(grid<cuda_grid>);

}  // namespace verbatim::simt
