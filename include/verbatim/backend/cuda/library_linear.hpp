// The linear part whose products in bf16 are cuBLASLt's, for contracts that let a sum's order depend on the batch (`fastest`):
//   struct loose : pipeline<cuda::sm90, qwen2> { using linear = cuda::library_linear; static constexpr numerics contract = fastest; };
// Weights are rows as checkpoints have them. Algorithms are the library's heuristic's, one for the rows up to each power of two and a few to
// fall back on, chosen when an engine is made (library_plans.cuh) and kept for the life of the process; sums split over k only where partial
// sums are added in f32 by a step of their own.
// So the same batch gives the same bits (run_to_run), on one GPU and one version of the library. A residual is added before the one
// rounding, where the other parts round twice. f32 is multiplied by fma. Cost: 32 MiB of device memory; a launch a product, one more
// for a bias, which is kept in f32 and which the library wants in bf16. Under the emulator a plain product takes the library's place.
#pragma once
#include <cstddef>
#include <span>
#include <type_traits>

#include "verbatim/backend/cuda/gpu.hpp"
#include "verbatim/backend/cuda/parts.hpp"
#include "verbatim/kernel/convert.hpp"

namespace verbatim::cuda {

/// y = Out(x w^T + bias + residual), sums in f32, rounded once. Launched like a kernel. All pointers are multiples of 16 bytes.
template <class Out> struct library_product {
  kernel::global<bf16 const> x;         ///< [rows, k]
  kernel::global<bf16 const> w;         ///< [outputs, k]
  kernel::global<Out const> bias;       ///< [outputs], or empty
  kernel::global<Out const> residual;   ///< [rows, outputs], or empty; may be y
  kernel::global<Out> y;                ///< [rows, outputs]
  kernel::global<float> workspace;
  int rows, outputs, k;                 ///< k: a multiple of 8
};

/// On a GPU the library's; defined in library_linear.cuh. A product that it has no algorithm for fails as a launch does.
template <> int enqueue(void* stream, int device, library_product<bf16> const& p) noexcept;
template <> int enqueue(void* stream, int device, library_product<float> const& p) noexcept;
/// Loads the library for the current device, once. Throws device.12.
void open_library();
/// Chooses how it computes these products of bf16 on the current device: a few calls of its heuristic each. Throws device.12.
void prepare_library(std::span<product_kind const> products);

/// Elsewhere: a thread has an output of a row.
template <class Out> constexpr kernel::launch_shape shape_of(library_product<Out> const& p) {
  return {.x = kernel::blocks_for(p.outputs, 128), .y = p.rows, .threads = 128};
}
template <class Grid, class Out> VERBATIM_KERNEL void run(Grid g, library_product<Out> const& p) {
  constexpr int n = kernel::pack_size<bf16>;
  std::size_t const output = std::size_t(g.block_x() * 128 + g.thread()), row = std::size_t(g.block_y()), at = row * std::size_t(p.outputs) + output;
  if (output >= std::size_t(p.outputs)) return;
  float v = 0;
  for (int k = 0; k < p.k; k += n) {
    auto const x = g.template load_pack<n>(p.x, row * std::size_t(p.k) + std::size_t(k)), w = g.template load_pack<n>(p.w, output * std::size_t(p.k) + std::size_t(k));
    for (int i = 0; i < n; ++i) v = math::fma(to_float(w.value[i]), to_float(x.value[i]), v);
  }
  if (p.residual.size > 0) v = kernel::sum(v, to_float(g.load(p.residual, at)));
  if (p.bias.size > 0) v = kernel::sum(v, to_float(g.load(p.bias, output)));
  g.store(p.y, at, from_float<Out>(v));
}

struct library_linear {
  struct policy {
    static constexpr std::size_t workspace_bytes = std::size_t(32) << 20;   ///< what NVIDIA recommends for this architecture
  };
  static constexpr guarantee offers = guarantee::run_to_run;
  static constexpr int revision = 2;
  static constexpr int k_leaf = 0;
  template <class T> static constexpr bool tiled = false;
  template <class T> static constexpr bool adds_residual = std::is_same_v<T, bf16>;
  template <class T> static constexpr std::size_t row_room(int, int) { return 0; }
  /// The library's workspace, then a bias in bf16.
  static constexpr std::size_t partial_room(product_kind const& p, int) { return policy::workspace_bytes / sizeof(float) + std::size_t(p.outputs + 1) / 2; }
  /// Before the first product. Throws device.12.
  template <class T, class Executor> static void prepare(Executor&, std::span<product_kind const> products) {
    if constexpr (std::is_same_v<Executor, gpu> && std::is_same_v<T, bf16>) prepare_library(products);
  }
  template <class Executor, class T, class Out> static void enqueue(Executor& e, product<T, Out> const& m, product_scratch<T> const& scratch) {
    if constexpr (std::is_same_v<T, bf16>) {
      constexpr std::size_t workspace = policy::workspace_bytes / sizeof(float);
      kernel::global<Out const> bias{};
      if constexpr (std::is_same_v<Out, float>) bias = m.bias;
      else if (m.bias.size > 0) {
        kernel::global<bf16> const narrow{reinterpret_cast<bf16*>(scratch.partial.data + workspace), 2 * (scratch.partial.size - workspace)};
        e.launch(kernel::convert_params<bf16, bf16, float>{m.bias, narrow, m.outputs});
        bias = narrow;
      }
      e.launch(library_product<Out>{m.x, m.w, bias, m.residual, m.y, {scratch.partial.data, workspace}, m.rows, m.outputs, m.k});
    } else {
      fma_linear::enqueue(e, m, scratch);
    }
  }
};

}  // namespace verbatim::cuda
