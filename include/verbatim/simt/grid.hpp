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
/// Operands of the product of a 16 by 16 and a 16 by 8 matrix, spread over a warp. With group = lane / 4, pair = 2 * (lane % 4):
/// a: rows group (parts 0, 2) and group + 8 (1, 3), columns pair, pair + 1 (parts 0, 1) and 8 more (2, 3);
/// b: rows pair, pair + 1 (part 0) and 8 more (part 1), column group;
/// c: rows group (values 0, 1) and group + 8 (2, 3), columns pair, pair + 1.
struct mma_a { pack<bf16, 2> part[4]; };
struct mma_b { pack<bf16, 2> part[2]; };
struct mma_c { float value[4]; };
/// N matrices of 8 by 8 from shared memory: of each a lane has row group, columns pair, pair + 1, or the transposed.
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

/// What a launch on a GPU may have: blocks in y and in z, and bytes of shared memory of a block (compute capability 9.0).
inline constexpr int most_blocks = 65535, most_shared = 227 * 1024;

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
concept grid = requires(G const g, float f, int i, global<float const> in, global<float> out, global<unsigned> counters) {
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
  { g.last_to_arrive(counters, i, i) } -> std::same_as<bool>;   // by one thread of each of so many blocks, at a counter of 0, where it ends as well. The last
                                                                // one's block sees, beyond a barrier, what those threads stored before they came
  { g.template shared<float>(place{}).load(i) } -> std::same_as<float>;
  g.template shared<float>(place{}).store(i, f);
};

/// A grid with tensor cores and asynchronous copies, of compute capability 8.0 and later.
template <class G>
concept tensor_grid = grid<G> && requires(G const g, int i, global<bf16 const> in, mma_a a, mma_b b, mma_c c) {
  { g.mma(a, b, c) } -> std::same_as<mma_c>;   // a b + c, f32; an element depends on its row of a, column of b and c alone
  { g.template load_matrix<4>(g.template shared<bf16>(place{}), i) } -> std::same_as<matrices<4>>;   // lanes 8 j to 8 j + 7: where rows of matrix j begin
  { g.template load_matrix<4, true>(g.template shared<bf16>(place{}), i) } -> std::same_as<matrices<4>>;   // transposed
  g.template copy_async<8>(g.template shared<bf16>(place{}), i, in, i);   // 16 bytes from global to shared memory, some time
  g.copy_commit();               // the thread's copies since the last commit are a group
  g.template copy_wait<1>();     // all but the thread's last 1 groups have arrived; for other threads, a barrier has to follow
};

}  // namespace verbatim::simt
