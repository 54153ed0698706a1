// The attention part of a pipeline on the CPU: which kernel runs and what it promises. A part of one's own is a type like
// this one whose `kernel` has the constructor and the call of cpu::attention (backend/cpu/attention.hpp).
#pragma once
#include "verbatim/numerics/contract.hpp"

namespace verbatim::cpu {

template <class Isa, class T> class attention;

/// Keys in leaves of numerics::kv_leaf absolute positions, merged in ascending order: the same bits for any batch, chunking
/// and number of threads.
struct leaf_attention {
  struct policy {
    static constexpr int queries_per_task = 64;   ///< query vectors that share one pass over keys and values
  };
  static constexpr guarantee offers = guarantee::layout_invariant;
  static constexpr int revision = 1;
  template <class Isa, class T> using kernel = attention<Isa, T>;
};

/// What the reference backend does itself: all scores of a row at once.
struct plain_attention {
  struct policy {};
  static constexpr guarantee offers = guarantee::run_to_run;
  static constexpr int revision = 1;
};

}  // namespace verbatim::cpu
