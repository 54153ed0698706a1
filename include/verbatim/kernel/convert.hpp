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
  constexpr int at_once = 8;   // asked for before any of them is stored: a load behind a store waits for the one before
  for (int part = 0; part < params::each; part += at_once) {
    int const first = (g.block_x() * params::each + part) * params::block_threads + g.thread();
    From held[at_once];
    VERBATIM_UNROLL
    for (int i = 0; i < at_once; ++i)
      if (int const at = first + i * params::block_threads; at < p.count) held[i] = g.load(p.from, at);
    VERBATIM_UNROLL
    for (int i = 0; i < at_once; ++i)
      if (int const at = first + i * params::block_threads; at < p.count) g.store(p.to, at, from_float<To>(rounded_to<T>(to_float(held[i]))));
  }
}

}  // namespace verbatim::kernel
