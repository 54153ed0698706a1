// Marks for what runs on hosts and devices. A compiler without CUDA sees nothing of them.
// VERBATIM_HD: functions of plain values, for both. VERBATIM_KERNEL: bodies over a grid (simt/grid.hpp), for whichever
// executor the translation unit has: under nvcc the device alone, since the host executor never meets nvcc.
#pragma once

#if defined(__CUDACC__)
#define VERBATIM_HD __host__ __device__
#define VERBATIM_KERNEL __device__ __forceinline__
#define VERBATIM_UNROLL _Pragma("unroll")
#else
#define VERBATIM_HD
#define VERBATIM_KERNEL inline
#define VERBATIM_UNROLL
#endif

namespace verbatim {

/// std::bit_cast, which is not marked for devices.
template <class To, class From> VERBATIM_HD constexpr To bits_as(From const& x) noexcept {
  static_assert(sizeof(To) == sizeof(From));
  return __builtin_bit_cast(To, x);
}

}  // namespace verbatim
