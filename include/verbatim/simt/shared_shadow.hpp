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
    lines_.assign((bytes + line - 1) / line, cell{});
    split_.assign(lines_.size(), false);
    pieces_.resize(lines_.size() * granules);   // as they are: a line's pieces are set where it is split
  }

  access_problem read(std::size_t offset, std::size_t bytes, accessor a) noexcept {
    if (bytes == line && offset % line == 0 && !split_[offset / line]) return read_cell(lines_[offset / line], a);   // most reads
    return each(offset, bytes, [&](cell& c) { return read_cell(c, a); });
  }
  access_problem write(std::size_t offset, std::size_t bytes, accessor a) noexcept {
    access_problem const p = each(offset, bytes, [&](cell& c) {
      if (c.in_flight || unordered(c.write, a) || unordered(c.read, a)) return access_problem::race;
      c.write = by(a);
      c.read = {};
      return access_problem::none;
    });
    if (p == access_problem::none)   // granules of whole lines are alike now
      for (std::size_t l = (offset + line - 1) / line; l < (offset + bytes) / line; ++l)
        if (split_[l]) split_[l] = false, lines_[l] = pieces_[l * granules];
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
      c.in_flight = false, c.write = by(a);
      return access_problem::none;
    });
  }

 private:
  static constexpr std::int16_t nobody = -1, several = 1 << 14;
  /// The last access, or several of one epoch joined: `several` threads, perhaps of several warps.
  struct trace {
    std::int16_t thread = nobody, warp = nobody;
    std::uint32_t block_epoch = 0, warp_epoch = 0;
  };
  struct alignas(32) cell {   // half of what a processor's first cache gets at once
    trace write, read;
    bool in_flight = false;
  };
  static trace by(accessor a) noexcept { return {std::int16_t(a.thread), std::int16_t(a.warp), a.block_epoch, a.warp_epoch}; }
  static constexpr std::size_t granules = line / granule;

  /// f(cell) for what the bytes touch, to the first problem: one cell, the line's, of a line that is touched as a whole and was before.
  template <class F> access_problem each(std::size_t offset, std::size_t bytes, F&& f) noexcept {
    for (std::size_t at = offset, end = offset + bytes; at < end;) {
      std::size_t const l = at / line, next = (l + 1) * line, until = next < end ? next : end;
      bool const whole = at == l * line && until == next;
      if (whole && !split_[l]) {
        if (auto const p = f(lines_[l]); p != access_problem::none) return p;
      } else {
        cell* const of = pieces_.data() + l * granules;
        if (!split_[l]) split_[l] = true, std::fill(of, of + granules, lines_[l]);
        for (std::size_t i = (at - l * line) / granule; i < (until - l * line + granule - 1) / granule; ++i)
          if (auto const p = f(of[i]); p != access_problem::none) return p;
      }
      at = until;
    }
    return access_problem::none;
  }
  static access_problem read_cell(cell& c, accessor a) noexcept {
    if (c.write.thread < 0) return access_problem::unwritten;
    if (c.in_flight || unordered(c.write, a)) return access_problem::race;
    note(c.read, a);
    return access_problem::none;
  }
  static bool unordered(trace const& t, accessor a) noexcept {
    if (t.thread == nobody || t.thread == a.thread || t.block_epoch < a.block_epoch) return false;
    return !(t.warp == a.warp && t.warp_epoch < a.warp_epoch);
  }
  static void note(trace& t, accessor a) noexcept {
    bool const joins = t.thread != nobody && t.block_epoch == a.block_epoch && unordered(t, a);
    std::int16_t const warp = t.warp == a.warp ? t.warp : several;
    t = joins ? trace{several, warp, a.block_epoch, a.warp_epoch} : by(a);
  }

  std::vector<cell> lines_, pieces_;   ///< of each line; of each granule of those that are split
  std::vector<unsigned char> split_;   ///< of each line: whether its granules differ, or may
};

}  // namespace verbatim::simt
