// Weights from one storage type to another, in device memory: to[i] = To(T(from[i])), T being what activations are. Elementwise; the
// floor is bandwidth. A refit from a trainer on the same device is this, or a copy where the types are the same.
#pragma once
#include "verbatim/kernel/values.hpp"

namespace verbatim::kernel {

template <class T, class To, class From> struct convert_params {
  global<From const> from;
  global<To> to;
  int count;   ///< elements; a block has 4096
  static constexpr int block_threads = 256, each = 16;
};
template <class T, class To, class From> constexpr launch_shape shape_of(convert_params<T, To, From> const& p) {
  using params = convert_params<T, To, From>;
  return {.x = blocks_for(p.count, params::block_threads * params::each), .threads = params::block_threads};
}

template <class Grid, class T, class To, class From> VERBATIM_KERNEL void run(Grid g, convert_params<T, To, From> const& p) {
  using params = convert_params<T, To, From>;
  int const first = g.block_x() * params::block_threads * params::each + g.thread();
  for (int i = 0; i < params::each; ++i)
    if (int const at = first + i * params::block_threads; at < p.count) g.store(p.to, at, from_float<To>(rounded_to<T>(to_float(g.load(p.from, at)))));
}

}  // namespace verbatim::kernel
