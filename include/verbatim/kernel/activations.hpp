// Where the results of a kernel lie that only products read: in rows without gaps, or at once in the tiles that Hopper multiplies
// (sm90/tiles.hpp), so that no kernel has to bring them there. Tiles have `groups` groups of eight rows; 0 groups are rows.
#pragma once
#include "verbatim/kernel/sm90/tiles.hpp"

namespace verbatim::kernel {

/// Element [row, column] of activations of `width` columns. Eight columns from a multiple of eight on lie side by side.
template <class T> VERBATIM_HD constexpr std::size_t activation_at(int row, int column, int width, int groups) {
  if constexpr (sizeof(T) == 2)
    if (groups > 0) return sm90::activation_pack(row, column, groups) * std::size_t(pack_size<T>) + std::size_t(column % pack_size<T>);
  return std::size_t(row) * std::size_t(width) + std::size_t(column);
}
/// Columns of a row that have to be stored: zeros from `width` on, which fill a tile up (a weight of zero must meet a number).
VERBATIM_HD constexpr int stored_columns(int width, int groups) { return groups > 0 ? sm90::k_tiles(width) * sm90::tile_k : width; }

}  // namespace verbatim::kernel
