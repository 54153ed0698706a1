// What the host executor knows of each granule of a block's shared memory: who wrote and read it last, and which barriers have
// passed since. Two accesses of different threads, one of them a write, need a barrier between them – of the block, or of the
// warp if both are in it; otherwise a GPU may run them in either order. Bytes that an asynchronous copy is on its way to are nobody's
// until the thread that began it has waited for it. Cost: a few compares per access, of sixteen aligned bytes or of a granule.
#pragma once
#include <algorithm>
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
  static constexpr std::size_t line = 16;     ///< bytes: the widest access; of a line that is accessed as a whole one cell is kept

  void reset(std::size_t bytes) {
    cells_.assign((bytes + line - 1) / line * granules, cell{});
    split_.assign(cells_.size() / granules, false);
  }

  access_problem read(std::size_t offset, std::size_t bytes, accessor a) noexcept {
    return each(offset, bytes, [&](cell& c) {
      if (c.write.thread < 0) return access_problem::unwritten;
      if (c.in_flight || unordered(c.write, a)) return access_problem::race;
      note(c.read, a);
      return access_problem::none;
    });
  }
  access_problem write(std::size_t offset, std::size_t bytes, accessor a) noexcept {
    access_problem const p = each(offset, bytes, [&](cell& c) {
      if (c.in_flight || unordered(c.write, a) || unordered(c.read, a)) return access_problem::race;
      c.write = {a.thread, a.warp, a.block_epoch, a.warp_epoch};
      c.read = {};
      return access_problem::none;
    });
    if (p == access_problem::none)   // cells of whole lines are alike now
      for (std::size_t l = (offset + line - 1) / line; l < (offset + bytes) / line; ++l) split_[l] = false;
    return p;
  }
  /// An asynchronous copy writes from here on ...
  access_problem begin_copy(std::size_t offset, std::size_t bytes, accessor a) noexcept {
    access_problem const p = write(offset, bytes, a);
    if (p == access_problem::none) each(offset, bytes, [](cell& c) { return c.in_flight = true, access_problem::none; });
    return p;
  }
  /// ... until its thread has waited for it, which counts as a write then.
  void end_copy(std::size_t offset, std::size_t bytes, accessor a) noexcept {
    each(offset, bytes, [&](cell& c) {
      c.in_flight = false, c.write = {a.thread, a.warp, a.block_epoch, a.warp_epoch};
      return access_problem::none;
    });
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
  static constexpr std::size_t granules = line / granule;

  /// f(cell) for what the bytes touch, to the first problem: one cell, the first, of a line that is touched as a whole and was before.
  template <class F> access_problem each(std::size_t offset, std::size_t bytes, F&& f) noexcept {
    for (std::size_t at = offset, end = offset + bytes; at < end;) {
      std::size_t const l = at / line, next = (l + 1) * line, until = next < end ? next : end;
      cell* const of = cells_.data() + l * granules;
      bool const whole = at == l * line && until == next;
      if (whole && !split_[l]) {
        if (auto const p = f(*of); p != access_problem::none) return p;
      } else {
        if (!split_[l]) split_[l] = true, std::fill(of + 1, of + granules, *of);
        for (std::size_t i = (at - l * line) / granule; i < (until - l * line + granule - 1) / granule; ++i)
          if (auto const p = f(of[i]); p != access_problem::none) return p;
      }
      at = until;
    }
    return access_problem::none;
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
  std::vector<unsigned char> split_;   ///< of each line: whether its cells differ, or may
};

}  // namespace verbatim::simt
