// What happened before what, for the host model of sm90: vector clocks over threads, barriers and warps, and for each 16 bytes of
// shared memory who wrote and who reads them. Two clocks a thread: what it knows of, and what of that lies before a proxy fence.
// Ordinary accesses need the first; between ordinary ones and those of copies and products the second is asked for.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "verbatim/simt/host_block.hpp"

namespace verbatim::simt {

/// What a kernel does wrong with what Hopper adds; what_kind says the nearest of the other defects.
struct protocol_defect : defect {
  enum class rule { never_ends, barrier_use, not_acquired, not_released, no_fence, in_flight, divergent, dependency, registers, descriptor };
  protocol_defect(rule which, std::string const& text) : defect(kind::race, text), broken(which) {}
  rule broken;
};

namespace detail {

/// Components: a thread's releases, a barrier's phases, a warp's groups of products.
struct history {
  std::vector<std::uint32_t> known, fenced;

  void reset(std::size_t components) { known.assign(components, 0), fenced.assign(components, 0); }
  void join(history const& h) {
    for (std::size_t i = 0; i < known.size(); ++i) known[i] = std::max(known[i], h.known[i]), fenced[i] = std::max(fenced[i], h.fenced[i]);
  }
  void fence() { fenced = known; }
  void learn(std::size_t component, std::uint32_t time) {
    // An end seen through a barrier or a wait lies in both orders: completion implies a proxy fence (9.7.15.4; "async proxy" of the bulk copies).
    known[component] = std::max(known[component], time), fenced[component] = std::max(fenced[component], time);
  }
};

/// 16 bytes of shared memory.
struct shared_cell {
  static constexpr int warps = 16;
  enum class content { nothing, ordinary, landing, landed, a_barrier };
  content kind = content::nothing;
  int writer = 0;                                         ///< component: thread or barrier
  std::uint32_t time = 0;
  std::array<std::uint32_t, warps> products{};            ///< group of each warp that read last
  std::vector<std::pair<int, std::uint32_t>> readers;     ///< threads with ordinary reads

  /// Whether `h` comes after the last write, by an ordinary read or by a copy or product.
  bool written_before(history const& h, bool asynchronous) const {
    auto const& order = kind == content::ordinary && asynchronous ? h.fenced : h.known;
    return kind == content::nothing || (kind != content::landing && order[std::size_t(writer)] >= time);
  }
  /// Whether `h` comes after all reads since.
  bool read_before(history const& h, int first_warp, bool asynchronous) const {
    for (int w = 0; w < warps; ++w)
      if (products[std::size_t(w)] > 0 && h.known[std::size_t(first_warp + w)] < products[std::size_t(w)]) return false;
    return std::all_of(readers.begin(), readers.end(), [&](auto r) { return (asynchronous ? h.fenced : h.known)[std::size_t(r.first)] >= r.second; });
  }
  void write(content what, int who, std::uint32_t when) {
    kind = what, writer = who, time = when;
    products.fill(0);
    readers.clear();
  }
};

/// What an access breaks.
struct verdict {
  protocol_defect::rule broken{};
  char const* text = nullptr;   ///< nothing: it may be
};
inline verdict may_read(shared_cell const& c, history const& h, bool asynchronous) {
  using rule = protocol_defect::rule;
  if (c.kind == shared_cell::content::a_barrier) return {rule::barrier_use, "a barrier is read: "};
  if (!c.written_before(h, false)) return {rule::not_acquired, "a read without a wait for what is written: "};
  if (!c.written_before(h, asynchronous)) return {rule::no_fence, "a product reads ordinary stores without a fence: "};
  return {};
}
inline verdict may_write(shared_cell const& c, history const& h, int first_warp, bool asynchronous) {
  using rule = protocol_defect::rule;
  if (c.kind == shared_cell::content::a_barrier) return {rule::barrier_use, "a barrier is written over: "};
  if (c.kind == shared_cell::content::landing) return {rule::not_acquired, "a write over a copy under way: "};
  if (!c.written_before(h, false)) return {rule::not_acquired, "a write over what was not waited for: "};
  if (!c.read_before(h, first_warp, false)) return {rule::not_released, "a write over what others may still read: "};
  if (!c.written_before(h, asynchronous) || !c.read_before(h, first_warp, asynchronous)) return {rule::no_fence, "a copy over ordinary accesses without a fence: "};
  return {};
}

/// A thread of the model, a barrier, a copy under way, and one thing that a warpgroup does as one.
struct sm90_thread : host_thread {
  int waits_for = 0, registers = 0;
  bool waited = false;
  history seen{};
  std::uint32_t issued = 0, committed = 0, completed = 0, fences = 0;
  std::size_t steps = 0;
};
struct counter {
  int arrivals = 0, pending = 0, maker = 0;
  std::int64_t bytes = 0;
  std::uint32_t made = 0, phase = 0;
  bool observed = false, told = false;   ///< whether the last phase that ended was waited for; whether copies tell it
  location last_copy{};
  history gathering, ended;
};
struct copy_under_way {
  int to;
  unsigned char const* from;
  std::size_t bytes;
  int tells;
  location where;
};
struct warpgroup_step {
  enum class what { fence, multiply, commit, wait, registers } kind;
  std::uint64_t a = 0, b = 0;
  int n = 0;
  location where{};
};

}  // namespace detail
}  // namespace verbatim::simt
