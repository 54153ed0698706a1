// RMS norm of rows, or of heads: y = w * T(x / sqrt(mean(x^2) + eps)), rounded to T once more. One block a row.
// Bits: pack i of the row goes to thread i % threads, which adds squares in ascending order by fma; then block_sum. The tree
// depends on width and block alone (batch_invariant); it is not that of the CPU, whose sixteen lanes would leave a GPU idle.
// Cost: x is read twice, the second time from a cache; the floor is bandwidth.
#pragma once
#include "verbatim/kernel/activations.hpp"

namespace verbatim::kernel {

template <class T> struct rms_norm_params {
  global<T const> x;        ///< rows at multiples of stride, each `heads` times width that are normed on their own
  global<float const> w;    ///< [width]
  global<T> y;              ///< as x, and may be x; or tiles
  int rows, width, stride;
  float eps;
  int heads = 1;
  int groups = 0;           ///< of tiles (activations.hpp), which have one head
};
/// A head fits a warp; a row of activations gets more. By width alone: the block is part of the tree.
template <class T> constexpr launch_shape shape_of(rms_norm_params<T> const& p) {
  int const threads = p.width <= 256 ? 32 : 256;
  return {.x = p.rows, .y = p.heads, .threads = threads, .shared = 16 * blocks_for(threads / warp_lanes, 4)};
}

template <class Grid, class T> VERBATIM_KERNEL void run(Grid g, rms_norm_params<T> const& p) {
  constexpr int n = pack_size<T>;
  std::size_t const row = std::size_t(g.block_x()) * std::size_t(p.stride) + std::size_t(g.block_y()) * std::size_t(p.width);
  float squares = 0;
  for (int i = g.thread() * n; i < p.width; i += g.threads() * n) {
    auto const x = g.template load_pack<n>(p.x, row + std::size_t(i));
    for (int j = 0; j < n; ++j) squares = math::fma(to_float(x.value[j]), to_float(x.value[j]), squares);
  }
  squares = block_sum(g, squares, {0, g.threads() / warp_lanes});
  float const scale = quotient(1.0f, square_root(sum(quotient(squares, float(p.width)), p.eps)));
  for (int i = g.thread() * n; i < stored_columns(p.width, p.groups); i += g.threads() * n) {
    full_pack<T> x{};
    if (i < p.width) x = g.template load_pack<n>(p.x, row + std::size_t(i));
    for (int j = 0; j < n && i < p.width; ++j) x.value[j] = from_float<T>(product(g.load(p.w, i + j), rounded_to<T>(product(to_float(x.value[j]), scale))));
    g.store_pack(p.y, p.groups > 0 ? activation_at<T>(g.block_x(), i, p.width, p.groups) : row + std::size_t(i), x);
  }
}

}  // namespace verbatim::kernel
