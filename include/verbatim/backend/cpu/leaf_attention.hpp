// The attention part of a pipeline on the CPU: which kernel runs and what it promises. A part of one's own is a type like
// this one whose `kernel` has the constructor and the calls of cpu::attention (backend/cpu/attention.hpp).
#pragma once
#include "verbatim/numerics/contract.hpp"

namespace verbatim::cpu {

template <class Isa, class T, class Policy> class attention;

/// Keys in leaves of numerics::kv_leaf absolute positions, merged in ascending order: the same bits for any batch, chunking
/// and number of threads. Leaves that decoding sequences share are visited for all of them at once.
struct leaf_attention {
  struct policy {
    static constexpr int queries_per_task = 64;   ///< query vectors that share one pass over keys and values; their sums stay in L1
    static constexpr bool shares_leaves = true;
  };
  static constexpr guarantee offers = guarantee::layout_invariant;
  static constexpr int revision = 1;
  template <class Isa, class T> using kernel = attention<Isa, T, policy>;
};

/// The same bits, each sequence for itself: for comparison, and where nothing is ever shared.
struct separate_attention {
  struct policy {
    static constexpr int queries_per_task = 64;
    static constexpr bool shares_leaves = false;
  };
  static constexpr guarantee offers = guarantee::layout_invariant;
  static constexpr int revision = leaf_attention::revision;
  template <class Isa, class T> using kernel = attention<Isa, T, policy>;
};

/// What the reference backend does itself: all scores of a row at once.
struct plain_attention {
  struct policy {};
  static constexpr guarantee offers = guarantee::run_to_run;
  static constexpr int revision = 1;
};

}  // namespace verbatim::cpu
