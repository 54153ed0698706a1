// The token that a row begins with, where it may be one that the host does not know yet: what the step before has sampled.
#pragma once
#include "verbatim/core/token.hpp"
#include "verbatim/kernel/sampling.hpp"

namespace verbatim::kernel {

/// ids[row] of this block's row; where that is ~i and there is an i-th result, the token that was sampled there. -1: none.
template <class Grid> VERBATIM_KERNEL token input_token(Grid g, global<token const> ids, global<sampling_result const> sampled) {
  token const id = g.load(ids, g.block_x());
  return id < 0 && std::size_t(~id) < sampled.size ? g.load(sampled, std::size_t(~id)).id : id;
}

}  // namespace verbatim::kernel
