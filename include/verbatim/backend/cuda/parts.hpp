// The attention and the linear part of a pipeline on a CUDA device: which kernels are enqueued for how many rows, and what they
// promise. A part of one's own is a type like these. Which kernel runs may depend on rows and shapes; the bits may not.
#pragma once
#include <type_traits>

#include "verbatim/backend/cuda/product_form.hpp"
#include "verbatim/kernel/linear.hpp"
#include "verbatim/kernel/merge_attention.hpp"
#include "verbatim/kernel/mma_attention_shared.hpp"
#include "verbatim/kernel/sm90/merge.hpp"
#include "verbatim/numerics/contract.hpp"

namespace verbatim::cuda {

/// What a linear part enqueues one product by: y = Out(x w^T + bias), or y = Out(residual + Out(...)) where it says so. What is said of
/// tiles and pairs is for parts whose weights are tiles.
template <class T, class Out> struct product {
  kernel::global<T const> x;          ///< [rows, k], or tiles
  kernel::global<T const> w;          ///< as the part keeps it
  kernel::global<float const> bias;   ///< [outputs], or empty
  kernel::global<Out const> residual; ///< [rows, outputs], or empty; may be y
  kernel::global<Out> y;              ///< [rows, outputs]
  int rows, outputs, k;
  int groups = 0;                     ///< of x in tiles: those that the part asks for; 0: x is in rows
  kernel::sm90::pairing pairs = kernel::sm90::pairing::none;
  int y_groups = 0;                   ///< of y in tiles, of what is gated
};
/// A product that a model asks for, with up to `most_rows` rows. A part that has prepare<T>(executor, kinds) is told of all of them
/// before the first.
struct product_kind {
  int outputs, k, most_rows;
  bool bias = false, f32 = false;   ///< whether there is one; whether y is f32 though x is not
};
/// Scratch of a part, in device memory.
template <class T> struct product_scratch {
  kernel::global<T> rows;             ///< activations that come in rows, in another order
  kernel::global<float> partial;
};

/// Products by fma in leaves of kernel::linear_leaf, for f32 and bf16: few rows by one kernel, many by another, the same bits.
struct fma_linear {
  struct policy {
    static constexpr int few_rows = 16;   ///< up to here weights are the floor, and are read once for eight rows
  };
  static constexpr guarantee offers = guarantee::batch_invariant;
  static constexpr int revision = 1;
  static constexpr int k_leaf = kernel::linear_leaf;
  template <class T> static constexpr bool tiled = false;
  template <class T> static constexpr std::size_t row_room(int, int) { return 0; }
  static constexpr std::size_t partial_room(product_kind const&, int) { return 0; }
  template <class Executor, class T, class Out> static void enqueue(Executor& e, product<T, Out> const& m, product_scratch<T> const&) {
    kernel::linear_params<T, Out> const p{m.x, m.w, m.bias, m.y, m.rows, m.outputs, m.k};
    if (p.rows == 1) e.launch(kernel::skinny_linear<T, Out, 1>{p});
    else if (p.rows <= 4) e.launch(kernel::skinny_linear<T, Out, 4>{p});
    else if (p.rows <= policy::few_rows) e.launch(kernel::skinny_linear<T, Out, 8>{p});
    else e.launch(kernel::tiled_linear<T, Out>{p});
  }
};

/// bf16 on Hopper's tensor cores, out of tiles; f32 by fma. The same leaves, other bits than fma_linear in bf16. A part with tiled weights
/// gives the groups of tiles that it reads, and starts products of which others may do the merge.
struct tensor_linear {
  struct policy {
    /// Of sums of leaves of a row that one block merges and norms: about what it reads in the time of a launch (not measured).
    static constexpr int most_norm_bytes = 64 * 1024;
  };
  static constexpr guarantee offers = guarantee::batch_invariant;
  static constexpr int revision = 2;
  static constexpr int k_leaf = kernel::linear_leaf;
  template <class T> static constexpr bool tiled = std::is_same_v<T, bf16>;
  /// Of eight rows, of the tiles that a product of so many rows reads.
  static constexpr int groups(int rows) { return padded_rows(rows) / kernel::sm90::group_rows; }
  /// Elements of activations of at most `rows` rows, and of partial sums of a product of at most its rows.
  template <class T> static constexpr std::size_t row_room(int rows, int k) {
    return tiled<T> ? kernel::sm90::activation_elements(kernel::sm90::groups_for(rows, 128), k) : 0;
  }
  static constexpr std::size_t partial_room(product_kind const& p, int processors) { return product_partials(p.outputs, p.k, p.most_rows, processors); }
  template <class Executor, class T, class Out> static void enqueue(Executor& e, product<T, Out> const& m, product_scratch<T> const& scratch) {
    if constexpr (!tiled<T>) {
      fma_linear::enqueue(e, m, scratch);
    } else {
      auto const p = start(e, m, scratch);
      if (p.leaves_each > 0) e.launch(kernel::sm90::merge_leaves<Out>{p});
    }
  }
  /// Enqueues all but the merge of a product, which is still to come where leaves_each > 0: by whom else merges, before the next product.
  template <class Executor, class Out> static kernel::sm90::linear_params<Out> start(Executor& e, product<bf16, Out> const& m, product_scratch<bf16> const& scratch) {
    namespace sm90 = kernel::sm90;
    kernel::global<bf16 const> x = m.x;
    if (m.groups == 0) {   // rows of a kernel that stores no tiles
      kernel::global<bf16> const tiles{scratch.rows.data, sm90::activation_elements(groups(m.rows), m.k)};
      e.launch(sm90::tile_activations{{m.x, tiles, m.rows, m.k}, groups(m.rows)});
      x = tiles;
    }
    product_form const form = product_form_for({m.rows, m.outputs, m.k}, Executor::processors);
    sm90::linear_params<Out> const p{x, m.w, m.bias, m.residual, m.y, scratch.partial, m.rows, m.outputs, m.k, groups(m.rows), form.leaves_each, m.pairs, m.y_groups};
    with_tile(form, [&]<int Rows, int Groups>() { e.launch(sm90::linear<Out, Rows, Groups>{p}); });
    return p;
  }
  /// Whether a block should merge and norm a whole row of a product.
  static constexpr bool norms_merged(int outputs, int k) { return kernel::sm90::leaves_of(k) * outputs * int(sizeof(float)) <= policy::most_norm_bytes; }
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

/// What an attention part enqueues one layer's rows by. `split`: the partial results of all leaves have room, and every sequence has one
/// row. Runs, members and shared leaves: what decoding sequences have in common, or nothing.
struct attention_step {
  kernel::global<int const> positions;
  kernel::global<kernel::shared_run const> runs{};
  kernel::global<int const> members{}, shared_leaves{};
  int most_members = 0;
  bool split = false;
};

/// By fma, keys in leaves of numerics::kv_leaf absolute positions. Where rows are few, a block visits one leaf and a second kernel merges;
/// else a block visits all leaves of its rows. The same bits.
struct leaf_attention {
  struct policy {
    static constexpr int queries = 8;
  };
  static constexpr guarantee offers = guarantee::batch_invariant;
  static constexpr int revision = 1;
  static constexpr bool shares_prefixes = false;
  /// Of shared memory that a block takes.
  template <class T> static int shared_bytes(int head_dim, int leaf, int /*page*/) {
    int bytes = 0;
    with_head_dim(head_dim, [&]<int D>() { bytes = kernel::leaf_layout<T, policy::queries, D>{leaf}.bytes(); });
    return bytes;
  }
  template <class Executor, class T> static void enqueue(Executor& e, kernel::attention_params<T> const& p, attention_step const& s) {
    with_head_dim(p.kv.head_dim, [&]<int D>() {
      if (!s.split) return e.launch(kernel::row_attention<T, policy::queries, D>{p});
      e.launch(kernel::split_attention<T, policy::queries, D>{p});
      e.launch(kernel::merge_attention<T, D>{p, s.positions});
    });
  }
};

/// bf16 with heads of 64 and 128 on tensor cores, prefixes that sequences share read once; what else there is by fma. Which of the two
/// is a matter of the model and the contract, so the bits of a row do not change with its company.
struct tensor_attention {
  struct policy {};
  static constexpr guarantee offers = guarantee::batch_invariant;
  static constexpr int revision = 2;
  static constexpr bool shares_prefixes = true;
  template <class T> static int shared_bytes(int head_dim, int leaf, int page) {
    return multiplies<T>(head_dim, leaf, page) ? 0 : leaf_attention::shared_bytes<T>(head_dim, leaf, page);   // tiles of 64 keys, whatever the leaf
  }
  template <class Executor, class T> static void enqueue(Executor& e, kernel::attention_params<T> const& p, attention_step const& s) {
    if constexpr (std::is_same_v<T, bf16>)
      if (multiplies<T>(p.kv.head_dim, p.leaf, p.kv.page)) {
        if (p.kv.head_dim == 64) return multiply<64>(e, p, s);
        return multiply<128>(e, p, s);
      }
    leaf_attention::enqueue(e, p, s);
  }

 private:
  template <class T> static constexpr bool multiplies(int head_dim, int leaf, int page) {
    return std::is_same_v<T, bf16> && (head_dim == 64 || head_dim == 128) && leaf % 64 == 0 && page % 16 == 0;
  }
  template <int D, class Executor> static void multiply(Executor& e, kernel::attention_params<bf16> const& p, attention_step const& s) {
    if (!s.split) {
      if (p.max_rows * kernel::group_of(p) > 64) e.launch(kernel::mma_row_attention<D, 8>{p});
      else e.launch(kernel::mma_row_attention<D, 4>{p});
      return;
    }
    if (s.runs.size > 0) e.launch(kernel::mma_shared_attention<D>{p, s.runs, s.members, s.most_members});
    e.launch(kernel::mma_split_attention<D>{p, s.shared_leaves});
    e.launch(kernel::merge_attention<bf16, D>{p, s.positions});
  }
};

}  // namespace verbatim::cuda
