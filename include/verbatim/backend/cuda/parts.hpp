// The attention and the linear part of a pipeline on a CUDA device: which kernels are enqueued for how many rows, and what they
// promise. A part of one's own is a type like these. Which kernel runs may depend on rows and shapes; the bits may not.
#pragma once
#include <type_traits>

#include "verbatim/kernel/attention.hpp"
#include "verbatim/kernel/linear.hpp"
#include "verbatim/numerics/contract.hpp"

namespace verbatim::cuda {

/// Products by fma in leaves of kernel::linear_leaf, for f32 and bf16: few rows by one kernel, many by another, the same bits.
struct fma_linear {
  struct policy {
    static constexpr int few_rows = 16;   ///< up to here weights are the floor, and are read once for eight rows
  };
  static constexpr guarantee offers = guarantee::batch_invariant;
  static constexpr int revision = 1;
  static constexpr int k_leaf = kernel::linear_leaf;
  template <class Executor, class T, class Out> static void enqueue(Executor& e, kernel::linear_params<T, Out> const& p) {
    if (p.rows == 1) e.launch(kernel::skinny_linear<T, Out, 1>{p});
    else if (p.rows <= 4) e.launch(kernel::skinny_linear<T, Out, 4>{p});
    else if (p.rows <= policy::few_rows) e.launch(kernel::skinny_linear<T, Out, 8>{p});
    else e.launch(kernel::tiled_linear<T, Out>{p});
  }
};

/// Calls f.template operator()<D>() for the head dimensions that kernels are compiled for; false: d is none of them.
template <class F> bool with_head_dim(int d, F&& f) {
  switch (d) {
    case 32: return f.template operator()<32>(), true;
    case 64: return f.template operator()<64>(), true;
    case 128: return f.template operator()<128>(), true;
    default: return false;
  }
}

/// Keys in leaves of numerics::kv_leaf absolute positions. Where rows are few, a block visits one leaf and a second kernel merges;
/// else a block visits all leaves of its rows. The same bits.
struct leaf_attention {
  struct policy {
    static constexpr int queries = 8;
  };
  static constexpr guarantee offers = guarantee::batch_invariant;
  static constexpr int revision = 1;
  /// `split`: the partial results of all leaves have room.
  template <class Executor, class T> static void enqueue(Executor& e, kernel::attention_params<T> const& p, kernel::global<int const> positions, bool split) {
    with_head_dim(p.kv.head_dim, [&]<int D>() {
      if (!split) return e.launch(kernel::row_attention<T, policy::queries, D>{p});
      e.launch(kernel::split_attention<T, policy::queries, D>{p});
      e.launch(kernel::merge_attention<T, D>{p, positions});
    });
  }
};

}  // namespace verbatim::cuda
