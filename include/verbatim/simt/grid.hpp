// The grid: what a kernel body may use. A body is a template over the grid, written as one CUDA thread sees it; cuda_grid.cuh
// forwards to intrinsics, host_grid.hpp runs the same text on a CPU and finds the defects that a GPU would hide.
// Laws: barriers and shuffles are reached by all threads of a block (warp) from the same place in the text; shared memory is
// written before it is read, with a barrier between threads; nothing depends on the order of threads or blocks.
#pragma once
#include <concepts>
#include <cstddef>
#include <type_traits>

#include "verbatim/core/bf16.hpp"
#include "verbatim/core/host_device.hpp"

namespace verbatim::simt {

inline constexpr int warp_lanes = 32;

/// Elements that move as one access of N * sizeof(T) bytes, at most 16; aligned to their size.
template <class T, int N> struct alignas(N * sizeof(T)) pack {
  static_assert(N * sizeof(T) <= 16 && std::is_trivially_copyable_v<T>);
  T value[N];
};
struct mma_a { pack<bf16, 2> part[4]; };
struct mma_b { pack<bf16, 2> part[2]; };
struct mma_c { float value[4]; };
template <int N> struct matrices { pack<bf16, 2> part[N]; };

/// Elements of the widest access.
template <class T> inline constexpr int pack_size = int(16 / sizeof(T));
template <class T> using full_pack = pack<T, pack_size<T>>;

/// Global memory as a kernel's parameter: where and how much. The host executor checks every access against it.
template <class T> struct global {
  T* data = nullptr;
  std::size_t size = 0;
  template <class U> requires(std::same_as<U, T const> && !std::is_const_v<T>)
  VERBATIM_HD constexpr operator global<U>() const { return {data, size}; }
};

/// Blocks and threads of a launch, and the bytes of shared memory of a block.
struct launch_shape {
  int x = 1, y = 1, z = 1;
  int threads = warp_lanes;   ///< a multiple of 32, at most 1024
  int shared = 0;
};

/// A named place in a block's shared memory: `count` elements from `offset` bytes on, a multiple of 16.
struct place {
  int offset = 0, count = 0;
};

template <class G>
concept grid = requires(G const g, float f, int i, global<float const> in, global<float> out) {
  { g.thread() } -> std::same_as<int>;       // within the block
  { g.threads() } -> std::same_as<int>;
  { g.block_x() } -> std::same_as<int>;
  { g.block_y() } -> std::same_as<int>;
  { g.block_z() } -> std::same_as<int>;
  g.sync();                                  // all threads of the block; orders shared memory
  g.sync_warp();                             // all lanes of the warp; orders shared memory among them
  { g.shfl_xor(f, i) } -> std::same_as<float>;   // the value of lane ^ i; orders nothing else
  { g.load(in, i) } -> std::same_as<float>;
  g.store(out, i, f);
  { g.template load_pack<4>(in, i) } -> std::same_as<pack<float, 4>>;   // i a multiple of 4
  { g.template shared<float>(place{}).load(i) } -> std::same_as<float>;
  g.template shared<float>(place{}).store(i, f);
};

}  // namespace verbatim::simt
