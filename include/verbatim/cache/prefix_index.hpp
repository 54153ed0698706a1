// Which full pages hold which tokens after which prefix: an open-addressing hash table from (prefix, tokens) to page.
// A prefix is named by the serial number of its last indexed page. Serials are never used twice and the tokens are
// compared, so a match is exact whatever collides. A page whose parent has left the index can never match again.
// Cost: O(page) per look-up, insertion and removal. Memory: 4 * page + 40 bytes per page, made at construction.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "verbatim/core/token.hpp"
#include "verbatim/numerics/contract.hpp"

namespace verbatim {

/// Knows pages by number only; who holds them is the book's affair.
class prefix_index {
 public:
  prefix_index(int pages, int page)
      : page_(page), tokens_(std::size_t(pages) * std::size_t(page)), entries_(std::size_t(pages)),
        slots_(std::bit_ceil(std::size_t(pages) * 2 + 2), -1) {}

  /// The serial that stands for "no tokens before" under a weight version.
  static std::uint64_t root(std::uint64_t version) noexcept { return digest_of({version}) | top_bit; }

  /// The tokens of a page, to be filled while it is written; indexed pages must not be changed.
  std::span<token> tokens(int p) noexcept { return {tokens_.data() + std::size_t(p) * std::size_t(page_), std::size_t(page_)}; }
  std::span<token const> tokens(int p) const noexcept { return {tokens_.data() + std::size_t(p) * std::size_t(page_), std::size_t(page_)}; }
  bool contains(int p) const noexcept { return entries_[std::size_t(p)].serial != 0; }
  /// The serial of an indexed page: the parent of the page after it.
  std::uint64_t serial(int p) const noexcept { return entries_[std::size_t(p)].serial; }
  /// The serial of the page before an indexed one, or a root.
  std::uint64_t parent(int p) const noexcept { return entries_[std::size_t(p)].parent; }

  /// The page with exactly these `page` tokens after `parent`, or -1.
  int find(std::uint64_t parent, std::span<token const> ids) const noexcept {
    std::uint64_t const h = hash(parent, ids);
    for (std::size_t i = h & mask(); slots_[i] >= 0; i = (i + 1) & mask()) {
      entry const& e = entries_[std::size_t(slots_[i])];
      if (e.hash == h && e.parent == parent && std::ranges::equal(tokens(slots_[i]), ids)) return slots_[i];
    }
    return -1;
  }
  /// Enters page p, whose tokens are complete and not in the index after `parent`.
  void insert(int p, std::uint64_t parent) noexcept {
    entry& e = entries_[std::size_t(p)];
    e = {hash(parent, tokens(p)), parent, ++last_serial_};
    std::size_t i = e.hash & mask();
    while (slots_[i] >= 0) i = (i + 1) & mask();
    slots_[i] = p;
  }
  /// Removes an indexed page; later entries of its run move up, so that no tombstones gather.
  void erase(int p) noexcept {
    std::size_t hole = entries_[std::size_t(p)].hash & mask();
    while (slots_[hole] != p) hole = (hole + 1) & mask();
    entries_[std::size_t(p)].serial = 0;
    for (std::size_t i = (hole + 1) & mask(); slots_[i] >= 0; i = (i + 1) & mask()) {
      std::size_t const home = entries_[std::size_t(slots_[i])].hash & mask();
      if (((i - home) & mask()) < ((i - hole) & mask())) continue;   // its home lies after the hole
      slots_[hole] = slots_[i], hole = i;
    }
    slots_[hole] = -1;
  }

 private:
  struct entry {
    std::uint64_t hash = 0, parent = 0, serial = 0;   ///< serial 0: not indexed
  };
  static constexpr std::uint64_t top_bit = 1ull << 63;   // roots and pages cannot be taken for one another
  std::size_t mask() const noexcept { return slots_.size() - 1; }
  static std::uint64_t hash(std::uint64_t parent, std::span<token const> ids) noexcept {
    std::uint64_t h = parent * 0x9E3779B97F4A7C15ull;
    for (token id : ids) {
      h = (h ^ std::uint32_t(id)) * 0xff51afd7ed558ccdull;
      h ^= h >> 32;
    }
    return h;
  }

  int page_;
  std::vector<token> tokens_;
  std::vector<entry> entries_;
  std::vector<int> slots_;
  std::uint64_t last_serial_ = 0;
};

}  // namespace verbatim
