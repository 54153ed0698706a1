// What happened before what, for the host model of sm90: vector clocks over threads, barriers and warps, and for each 16 bytes of
// shared memory who wrote and who reads them. Two clocks a thread: what it knows of, and what of that lies before a proxy fence.
// Ordinary accesses need the first; between ordinary ones and those of copies and products the second is asked for.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

namespace verbatim::simt::detail {

/// Components: a thread's releases, a barrier's phases, a warp's groups of products.
struct history {
  std::vector<std::uint32_t> known, fenced;

  void reset(std::size_t components) { known.assign(components, 0), fenced.assign(components, 0); }
  void join(history const& h) {
    for (std::size_t i = 0; i < known.size(); ++i) known[i] = std::max(known[i], h.known[i]), fenced[i] = std::max(fenced[i], h.fenced[i]);
  }
  void fence() { fenced = known; }
  void learn(std::size_t component, std::uint32_t time) {
    // An end seen through a barrier or a wait lies in both orders: completion implies a proxy fence (9.7.15.4, 9.7.9.27.1.2).
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

}  // namespace verbatim::simt::detail
