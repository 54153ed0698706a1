// What the host executor knows of each granule of a block's shared memory: who wrote and read it last, and which barriers have
// passed since. Two accesses of different threads, one of them a write, need a barrier between them – of the block, or of the
// warp if both are in it; otherwise a GPU may run them in either order. Bytes that an asynchronous copy is on its way to are nobody's
// until the thread that began it has waited for it. Cost: a few compares per access and granule.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace verbatim::simt {

enum class access_problem { none, unwritten, race };

/// Who accesses, and the number of barriers of block and warp that it has passed.
struct accessor {
  int thread, warp;
  std::uint32_t block_epoch, warp_epoch;
};

class shared_shadow {
 public:
  static constexpr std::size_t granule = 2;   ///< bytes: the smallest element that kernels share is bf16

  void reset(std::size_t bytes) { cells_.assign((bytes + granule - 1) / granule, cell{}); }

  access_problem read(std::size_t offset, std::size_t bytes, accessor a) noexcept {
    for (std::size_t i = offset / granule; i < (offset + bytes + granule - 1) / granule; ++i) {
      cell& c = cells_[i];
      if (c.write.thread < 0) return access_problem::unwritten;
      if (c.in_flight || unordered(c.write, a)) return access_problem::race;
      note(c.read, a);
    }
    return access_problem::none;
  }
  access_problem write(std::size_t offset, std::size_t bytes, accessor a) noexcept {
    for (std::size_t i = offset / granule; i < (offset + bytes + granule - 1) / granule; ++i) {
      cell& c = cells_[i];
      if (c.in_flight || unordered(c.write, a) || unordered(c.read, a)) return access_problem::race;
      c.write = {a.thread, a.warp, a.block_epoch, a.warp_epoch};
      c.read = {};
    }
    return access_problem::none;
  }
  /// An asynchronous copy writes from here on ...
  access_problem begin_copy(std::size_t offset, std::size_t bytes, accessor a) noexcept {
    access_problem const p = write(offset, bytes, a);
    if (p == access_problem::none) mark(offset, bytes, true);
    return p;
  }
  /// ... until its thread has waited for it, which counts as a write then.
  void end_copy(std::size_t offset, std::size_t bytes, accessor a) noexcept {
    mark(offset, bytes, false);
    for (std::size_t i = offset / granule; i < (offset + bytes + granule - 1) / granule; ++i) cells_[i].write = {a.thread, a.warp, a.block_epoch, a.warp_epoch};
  }

 private:
  static constexpr int nobody = -1, several = 1 << 20;
  /// The last access, or several of one epoch joined: `several` threads, perhaps of several warps.
  struct trace {
    int thread = nobody, warp = nobody;
    std::uint32_t block_epoch = 0, warp_epoch = 0;
  };
  struct cell {
    trace write, read;
    bool in_flight = false;
  };
  void mark(std::size_t offset, std::size_t bytes, bool in_flight) noexcept {
    for (std::size_t i = offset / granule; i < (offset + bytes + granule - 1) / granule; ++i) cells_[i].in_flight = in_flight;
  }
  static bool unordered(trace const& t, accessor a) noexcept {
    if (t.thread == nobody || t.thread == a.thread || t.block_epoch < a.block_epoch) return false;
    return !(t.warp == a.warp && t.warp_epoch < a.warp_epoch);
  }
  static void note(trace& t, accessor a) noexcept {
    bool const joins = t.thread != nobody && t.block_epoch == a.block_epoch && unordered(t, a);
    if (!joins) t = {a.thread, a.warp, a.block_epoch, a.warp_epoch};
    else t = {several, t.warp == a.warp ? a.warp : several, a.block_epoch, a.warp_epoch};
  }

  std::vector<cell> cells_;
};

}  // namespace verbatim::simt
