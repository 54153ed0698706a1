// What Hopper (sm_90a) adds to the grid: barriers in shared memory that count arrivals and bytes, bulk copies that report to them,
// products of matrices by a warpgroup out of shared memory, registers that move between warpgroups, and launches that overlap.
// cuda_sm90.cuh forwards to instructions; host_sm90.hpp runs the same text on a CPU and models the protocol: a wait that never ends, a
// tile read before its copy was waited for, a tile refilled while it is read and a missing fence are defects there.
// Numbers of sections are those of the PTX ISA, version 9.0; names of instructions are their sections. Shared memory is
// addressed by bytes from the start of the block's own.
#pragma once
#include <cstdint>

#include "verbatim/core/bf16.hpp"
#include "verbatim/simt/grid.hpp"

namespace verbatim::simt {

/// Four warps, the first of which has a rank divisible by four, multiply together (9.7.15.1).
inline constexpr int warpgroup_threads = 128;

/// An mbarrier: 8 bytes of shared memory, at a multiple of 8 (mbarrier, "size and alignment").
struct barrier {
  int offset = 0;
};

/// How soon the second-level cache should give up the lines of a copy.
enum class eviction { first, normal, last };

/// Whether a copy's source may still be in the making by the launches before (then the thread waits for those first). Settled: between
/// what wrote it and this launch stands something that does not overlap.
enum class origin { settled, dependent };

/// The 128-byte swizzle: 16-byte chunks of eight rows of 128 bytes, permuted by row. Bits 4-6 of the address are xored with bits
/// 7-9 (Swizzle<3,4,3>, 9.7.15.5.1.2.1.3), of the address itself and not of an offset: the pattern repeats at multiples of 1024.
inline constexpr int swizzle_rows = 8, swizzle_row_bytes = 128, swizzle_bytes = swizzle_rows * swizzle_row_bytes;
VERBATIM_HD constexpr std::uint32_t swizzled(std::uint32_t address) { return address ^ (address >> 7 & 7u) << 4; }

/// The depth of one product, in bf16; a swizzled row holds four of them.
inline constexpr int mma_k = 16;

/// Descriptor of a matrix of bf16 in shared memory, k contiguous, in rows of 128 bytes, swizzled (9.7.15.5.1.2.2): bits 0-13 address / 16,
/// 16-29 leading byte offset / 16 (not used for swizzled layouts with k contiguous, "assumed 1"), 32-45 stride byte offset / 16: from
/// eight rows to the next eight; 49-51 base offset: 0, as patterns start at multiples of 1024; 62-63 swizzle: 1 is 128 bytes.
/// The next 16 of k lie 32 bytes on: the same descriptor with the address moved on, since hardware swizzles addresses.
VERBATIM_HD constexpr std::uint64_t matrix_descriptor(std::uint32_t address) {
  return std::uint64_t((address & 0x3ffffu) >> 4) | std::uint64_t(1) << 16 | std::uint64_t(swizzle_bytes >> 4) << 32 | std::uint64_t(1) << 62;
}

/// Which element of the [64, N] result is number i of a thread of the warpgroup (9.7.15.5.1.1.1, figure 149).
struct mma_element {
  int row, column;
};
VERBATIM_HD constexpr mma_element accumulator_element(int thread, int i) {
  int const warp = thread / warp_lanes % 4, lane = thread % warp_lanes;
  return {16 * warp + lane / 4 + i / 2 % 2 * 8, 8 * (i / 4) + lane % 4 * 2 + i % 2};
}

template <class G>
concept sm90_grid = requires(G const g, barrier b, int i, std::uint64_t d, global<bf16 const> m, typename G::template accumulator<8>& c) {
  { g.thread() } -> std::same_as<int>;
  { g.uniform(i) } -> std::same_as<int>;             // i, which is the same for all lanes of the warp: said to the compiler
  // Barriers. Phases are numbered from 0; a phase ends when all arrivals and all announced bytes are in.
  g.barrier_init(b, i);                              // by one thread: i arrivals a phase
  g.barrier_init_fence();                            // by that thread, before the block's barrier that shows it to the others
  g.arrive(b);                                       // orders what this thread did before
  g.arrive_expect(b, i);                             // and announces i bytes of copies
  g.wait(b, i);                                      // until the phase of parity i, the current one or the one before, has ended
  g.copy_bulk(i, m, i, i, b, eviction::first, origin::settled);   // to shared byte, from, its element, elements, who is told
  g.proxy_fence();                                   // between ordinary accesses to shared memory and those of copies and products
  // Products of 64 rows by N rows, k contiguous in both. From a fence on until the wait no accumulator is touched.
  { g.descriptor(i) } -> std::same_as<std::uint64_t>;
  g.mma_fence();                                     // before products, if something else touched their accumulators or barriers were waited for
  g.multiply(c, d, d, true);                         // c = a b^T, plus c if true
  g.mma_commit();
  g.template mma_wait<0>(c);                         // until all but so many of the committed groups are done
  { c.get(i) } -> std::same_as<float>;
  g.template registers_decrease<24>();               // by all four warps
  g.template registers_increase<240>();
  g.dependency_wait();                               // until the launches before this one are done and visible
  g.dependents_may_start();
};

}  // namespace verbatim::simt
