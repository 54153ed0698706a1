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
constexpr launch_shape norm_shape(int rows, int heads, int width) {
  int const threads = width <= 256 ? 32 : 256;
  return {.x = rows, .y = heads, .threads = threads, .shared = 16 * blocks_for(threads / warp_lanes, 4)};
}
template <class T> constexpr launch_shape shape_of(rms_norm_params<T> const& p) { return norm_shape(p.rows, p.heads, p.width); }

template <class T> VERBATIM_KERNEL float add_squares(full_pack<T> const& x, float squares) {
  for (T v : x.value) squares = math::fma(to_float(v), to_float(v), squares);
  return squares;
}
/// By what values are multiplied whose squares add up to `squares`.
VERBATIM_KERNEL float norm_scale(float squares, int width, float eps) { return quotient(1.0f, square_root(sum(quotient(squares, float(width)), eps))); }
template <class Grid, class T> VERBATIM_KERNEL void scale_pack(Grid g, full_pack<T>& x, float scale, global<float const> w, int i) {
  for (int first = 0; first < pack_size<T>; first += 4) {
    auto const of = g.template load_pack<4>(w, i + first);
    for (int j = 0; j < 4; ++j) x.value[first + j] = from_float<T>(product(of.value[j], rounded_to<T>(product(to_float(x.value[first + j]), scale))));
  }
}

/// A row by a block of norm_shape: first(i) gives the pack from element i on, again(i) gives it once more to the same thread; store(i, pack)
/// gets what becomes of it, zeros beyond `width` up to `stored`.
template <class T, class Grid, class First, class Again, class Store>
VERBATIM_KERNEL void norm_row(Grid g, int width, int stored, global<float const> w, float eps, First first, Again again, Store store) {
  constexpr int n = pack_size<T>;
  float squares = 0;
  for (int i = g.thread() * n; i < width; i += g.threads() * n) squares = add_squares(first(i), squares);
  float const scale = norm_scale(block_sum(g, squares, {0, g.threads() / warp_lanes}), width, eps);
  for (int i = g.thread() * n; i < stored; i += g.threads() * n) {
    full_pack<T> x{};
    if (i < width) {
      x = again(i);
      scale_pack(g, x, scale, w, i);
    }
    store(i, x);
  }
}

template <class Grid, class T> VERBATIM_KERNEL void run(Grid g, rms_norm_params<T> const& p) {
  std::size_t const row = std::size_t(g.block_x()) * std::size_t(p.stride) + std::size_t(g.block_y()) * std::size_t(p.width);
  auto const load = [&](int i) { return g.template load_pack<pack_size<T>>(p.x, row + std::size_t(i)); };
  norm_row<T>(g, p.width, stored_columns(p.width, p.groups), p.w, p.eps, load, load, [&](int i, full_pack<T> const& x) {
    g.store_pack(p.y, p.groups > 0 ? activation_at<T>(g.block_x(), i, p.width, p.groups) : row + std::size_t(i), x);
  });
}

}  // namespace verbatim::kernel
