// ops<cpu::...>: the optimised CPU backend, for activations, weights and KV of type T (float or bf16).
// Guarantee: layout_invariant – every output is computed in a lane of its own, in an order given by shapes and absolute
// positions, so batch, chunking, page size, threads and instruction set leave the bits alone. Rounding points in bf16
// are those of transformers (see docs). Cost: packed weights are read once a step (small batches) from memory; no
// allocation, lock or exception after construction. Not thread-safe: one step at a time.
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "verbatim/backend/check.hpp"
#include "verbatim/backend/cpu/attention.hpp"
#include "verbatim/backend/cpu/isa.hpp"
#include "verbatim/backend/cpu/kv.hpp"
#include "verbatim/backend/cpu/linear.hpp"
#include "verbatim/backend/cpu/norm.hpp"
#include "verbatim/backend/cpu/operand.hpp"
#include "verbatim/backend/cpu/pack.hpp"
#include "verbatim/backend/cpu/rope.hpp"
#include "verbatim/backend/cpu/threads.hpp"
#include "verbatim/backend/cpu/workspace.hpp"
#include "verbatim/backend/ops.hpp"
#include "verbatim/backend/rope_frequencies.hpp"
#include "verbatim/backend/step.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/numerics/contract.hpp"

namespace verbatim::cpu {

/// The base of ops<cpu::...>. Bodies lie behind it, not inline: a compiler that optimises instantiates what is inline in spite of `extern
/// template` (kernels_separate.hpp).
template <class Isa, class T, class Attention, class Linear> class backend {
  static_assert(cpu::compiled_for<Isa>,
                "this translation unit's target lacks the instruction set: compile with -march=native, or use cpu::native");
  using V = cpu::vector_of<Isa>;
  using tile = cpu::row_tile<Isa, Linear::policy::by>;

 public:
  using value = T;
  using rows = rows_of<T>;
  using matrix = cpu::packed_matrix<T>;
  using vector = cpu::packed_vector;
  using scope = typename cpu::workspace<T>::scope;
  static constexpr guarantee offers = guarantee::layout_invariant;
  static constexpr int revision = Isa::revision;
  static constexpr bool takes_kv_formats = true;

  backend(model_config const& c, ops_limits limits, numerics contract);

  // --- weights -------------------------------------------------------------------------------------------------------
  /// Packs one checkpoint tensor into its part, in parallel. Shapes and exactness were checked by the caller.
  void load(matrix& to, int part, tensor const& t);
  void load(vector& to, int part, tensor const& t);

  /// The reverse: one row of a part, or a whole part, in the type of the activations.
  void unload(matrix const& from, int part, int row, T* to) const noexcept { from.copy_row(part, row, to); }
  void unload(vector const& from, int part, T* to) const noexcept {
    for (int i = 0; i < from.size(part); ++i) to[i] = from_float<T>(from.part(part)[i]);
  }

  // --- a step --------------------------------------------------------------------------------------------------------
  /// Everything below is between one begin and the next.
  void begin(step const& s) noexcept;

  rows embed(matrix const& table, step const& s) noexcept;

  rows rms_norm(rows x, vector const& w) noexcept;

  /// T(x w^T + bias); an empty bias is none. Columns are the packed ones, parts at w.offset(part).
  rows linear(rows x, matrix const& w, vector const& bias = none) noexcept;

  /// x = T(x + y).
  void add(rows x, rows y) noexcept;

  heads_of<T> split_heads(rows x, matrix const& qkv) const noexcept {
    auto const part = [&](int p) { return rows{x.data + qkv.offset(p), x.rows, qkv.rows(p), x.stride}; };
    return {part(0), part(1), part(2)};
  }

  /// RMS norm of each head of q and k on its own.
  void head_norm(heads_of<T> h, vector const& q_weight, vector const& k_weight) noexcept;

  void rope(heads_of<T> h, step const&) noexcept;

  /// Stores k and v of the step's tokens in the pages of their sequences.
  void append(heads_of<T> h, step const& s, int layer) noexcept;

  rows attend(rows q, step const&, int layer) noexcept;

  /// T(T(silu(gate)) * up) of [gate, up].
  rows silu_mul(rows gate_up) noexcept;

  /// The rows of x whose logits are wanted.
  rows output_rows(rows x, step const& s) noexcept;

  /// Logits stay f32, as the products accumulated: rounding them to bf16 would only add noise and ties.
  logits_view logits(rows x, matrix const& head) noexcept;

  // --- fused offers: the same bits as the operations that they join ----------------------------------------------------
  /// x = T(x + T(h w^T + bias)).
  void linear_add(rows x, rows h, matrix const& w, vector const& bias) noexcept;

  /// silu_mul(linear(x, [gate, up])) without the intermediate rows.
  rows gate_up_silu(rows x, matrix const& w) noexcept;

  // --- KV pages, threads, memory ---------------------------------------------------------------------------------------
  /// Copies a page of all layers, keys and values.
  void copy_page(int from, int to) noexcept { kv_.copy_page(from, to); }
  /// f(index) for 0 <= index < count, on the pool; f must not throw.
  template <class F> void parallel(int count, F&& f) noexcept {
    pool_.run(count, [&](int index, int) { f(index); });
  }
  scope workspace_scope() noexcept { return scope(workspace_); }
  std::size_t kv_bytes() const noexcept { return kv_.bytes(); }
  ops_limits const& limits() const noexcept { return limits_; }
  int threads() const noexcept { return pool_.threads(); }   ///< that `parallel` runs on
  void keep_caller() noexcept { pool_.keep_caller(); }       ///< the thread that drives, to a processor of its own where threads are pinned

 private:
  inline static vector const none{};

  /// Columns of the widest rows that are multiplied.
  static int widest(model_config const& c) noexcept { return std::max({c.hidden, c.intermediate, c.heads * c.head_dim}); }
  static ops_limits checked(model_config const& c, ops_limits limits, numerics contract) {
    check_shape(c, limits, contract, tree_lanes);
    return limits;
  }

  /// f(row), on the pool where the work (elements a row) outweighs the hand-over.
  template <class F> void by_rows(int rows, int work, F&& f) noexcept {
    int const chunks = std::int64_t(rows) * work < 32768 ? 1 : std::min(rows, pool_.threads() * 4);
    pool_.run(chunks, [&](int chunk, int) {
      int const end = int(std::int64_t(rows) * (chunk + 1) / chunks);
      for (int r = int(std::int64_t(rows) * chunk / chunks); r < end; ++r) f(r);
    });
  }

  /// f(panel) for panels of w, in chunks that keep a thread on consecutive memory.
  template <class F> void by_panels(rows x, matrix const& w, int panels, F&& f) noexcept {
    std::int64_t const work = std::int64_t(x.rows) * w.steps() * panels;  // in products of 64 outputs
    int const chunks = work < 512 ? 1 : std::min(panels, pool_.threads() * 8);
    pool_.run(chunks, [&](int chunk, int) {
      int const end = int(std::int64_t(panels) * (chunk + 1) / chunks);
      for (int p = int(std::int64_t(panels) * chunk / chunks); p < end; ++p) f(p);
    });
  }

  /// x in the form that a product with w reads; valid until the next.
  cpu::operand<T> operand_of(rows x, matrix const& w) noexcept {
    return operands_.of(x, w, [this](int rows, int work, auto&& f) { this->by_rows(rows, work, f); });
  }

  /// out(row, column, x w^T + bias in f32) for 16 columns at a time.
  template <class Out> void multiply(rows x, matrix const& w, vector const& bias, Out&& out) noexcept {
    auto const all = operand_of(x, w);
    by_panels(x, w, w.panels(), [&](int panel) {
      cpu::multiply_panel<Isa, T, Linear::policy::by>(w, panel, all, [&](int r, int column, V v) {
        int const c = panel * cpu::panel_outputs + column;
        out(r, c, bias.empty() ? v : v + V::load(bias.data() + c));
      });
    });
  }

  model_config config_;
  ops_limits limits_;
  cpu::pool pool_;
  std::vector<float> frequencies_;
  cpu::kv_store<T> kv_;
  typename Attention::template kernel<Isa, T> attention_;
  cpu::workspace<T> workspace_;
  aligned_array<float> cosine_, sine_, logits_;
  cpu::operands<Isa, T, Linear::policy::by> operands_;   ///< the rows that are multiplied now
};

template <class Isa, class T, class Attention, class Linear>
backend<Isa, T, Attention, Linear>::backend(model_config const& c, ops_limits limits, numerics contract)
    : config_(c), limits_(checked(c, limits, contract)), pool_(limits.threads, limits.pin_threads),
      frequencies_(rope_frequencies(c)), kv_(c.layers, limits.pages, limits.page, c.kv_heads, c.head_dim, limits.kv),
      attention_(kv_, c, limits, contract.kv_leaf),
      workspace_(c, limits), cosine_(std::size_t(limits.tokens) * frequencies_.size()),
      sine_(std::size_t(limits.tokens) * frequencies_.size()),
      logits_(std::size_t(limits.outputs) * std::size_t(cpu::padded(c.vocabulary))),
      operands_(std::max(limits.tokens, limits.outputs), widest(c), limits.weights) {
  if constexpr (sizeof(T) == 2 && Linear::policy::by == cpu::product::fastest) cpu::fma_pays<Isa>();   // measures before the first step
}

template <class Isa, class T, class Attention, class Linear>
void backend<Isa, T, Attention, Linear>::load(matrix& to, int part, tensor const& t) {
  auto const pack = [&](auto const* source) {
    int const panels = cpu::padded(to.rows(part)) / cpu::panel_outputs;
    pool_.run(panels, [&](int panel, int) { to.pack(part, panel, source); });
  };
  if (t.type == dtype::f32) pack(static_cast<float const*>(t.data));
  else if (t.type == dtype::bf16) pack(static_cast<bf16 const*>(t.data));
  else pack(static_cast<f16 const*>(t.data));
}

template <class Isa, class T, class Attention, class Linear>
void backend<Isa, T, Attention, Linear>::load(vector& to, int part, tensor const& t) {
  auto const widen = [&](auto const* source) {
    for (int i = 0; i < to.size(part); ++i) to.part(part)[i] = to_float(from_float<T>(to_float(source[i])));
  };
  if (t.type == dtype::f32) widen(static_cast<float const*>(t.data));
  else if (t.type == dtype::bf16) widen(static_cast<bf16 const*>(t.data));
  else widen(static_cast<f16 const*>(t.data));
}

template <class Isa, class T, class Attention, class Linear>
void backend<Isa, T, Attention, Linear>::begin(step const& s) noexcept {
  workspace_.clear();
  attention_.begin(s);
  int const half = config_.head_dim / 2;
  by_rows(s.tokens, half * 16, [&](int r) {
    cpu::rope_row<T>(frequencies_.data(), half, s.positions[r], cosine_.data() + r * half, sine_.data() + r * half);
  });
}

template <class Isa, class T, class Attention, class Linear>
auto backend<Isa, T, Attention, Linear>::embed(matrix const& table, step const& s) noexcept -> rows {
  rows const x = workspace_.take(s.tokens, config_.hidden);
  by_rows(s.tokens, config_.hidden * 4, [&](int r) {
    std::fill(x.row(r) + x.columns, x.row(r) + x.stride, T{});
    table.copy_row(0, s.ids[r], x.row(r));
  });
  return x;
}

template <class Isa, class T, class Attention, class Linear>
auto backend<Isa, T, Attention, Linear>::rms_norm(rows x, vector const& w) noexcept -> rows {
  rows const y = workspace_.take(x.rows, x.columns);
  by_rows(x.rows, x.columns, [&](int r) {
    std::fill(y.row(r) + y.columns, y.row(r) + y.stride, T{});
    cpu::rms_norm<Isa>(x.row(r), w.data(), y.row(r), x.columns, config_.rms_eps);
  });
  return y;
}

template <class Isa, class T, class Attention, class Linear>
auto backend<Isa, T, Attention, Linear>::linear(rows x, matrix const& w, vector const& bias) noexcept -> rows {
  rows const y = workspace_.take(x.rows, w.outputs());
  multiply(x, w, bias, [&](int r, int column, V v) { v.store(y.row(r) + column); });
  return y;
}

template <class Isa, class T, class Attention, class Linear>
void backend<Isa, T, Attention, Linear>::add(rows x, rows y) noexcept {
  by_rows(x.rows, x.columns, [&](int r) { cpu::add<Isa>(x.row(r), y.row(r), x.columns); });
}

template <class Isa, class T, class Attention, class Linear>
void backend<Isa, T, Attention, Linear>::head_norm(heads_of<T> h, vector const& q_weight, vector const& k_weight) noexcept {
  by_rows(h.q.rows, h.q.columns + h.k.columns, [&](int r) {
    for (int i = 0; i < h.q.columns; i += config_.head_dim)
      cpu::rms_norm<Isa>(h.q.row(r) + i, q_weight.data(), h.q.row(r) + i, config_.head_dim, config_.rms_eps);
    for (int i = 0; i < h.k.columns; i += config_.head_dim)
      cpu::rms_norm<Isa>(h.k.row(r) + i, k_weight.data(), h.k.row(r) + i, config_.head_dim, config_.rms_eps);
  });
}

template <class Isa, class T, class Attention, class Linear>
void backend<Isa, T, Attention, Linear>::rope(heads_of<T> h, step const&) noexcept {
  int const half = config_.head_dim / 2;
  by_rows(h.q.rows, h.q.columns + h.k.columns, [&](int r) {
    float const* const c = cosine_.data() + r * half;
    float const* const s = sine_.data() + r * half;
    for (int i = 0; i < h.q.columns; i += config_.head_dim) cpu::rotate<Isa>(h.q.row(r) + i, c, s, half);
    for (int i = 0; i < h.k.columns; i += config_.head_dim) cpu::rotate<Isa>(h.k.row(r) + i, c, s, half);
  });
}

template <class Isa, class T, class Attention, class Linear>
void backend<Isa, T, Attention, Linear>::append(heads_of<T> h, step const& s, int layer) noexcept {
  pool_.run(s.slices, [&](int i, int) {
    slice const& sl = s.slice_of[i];
    for (int r = 0; r < sl.rows; ++r) {
      int const position = sl.first_position + r, page = sl.pages[position / limits_.page];
      for (int head = 0; head < config_.kv_heads; ++head)
        kv_.append(layer, page, head, position % limits_.page, h.k.row(sl.first_row + r) + head * config_.head_dim,
                   h.v.row(sl.first_row + r) + head * config_.head_dim);
    }
  });
}

template <class Isa, class T, class Attention, class Linear>
auto backend<Isa, T, Attention, Linear>::attend(rows q, step const&, int layer) noexcept -> rows {
  rows const out = workspace_.take(q.rows, q.columns);
  bool const windowed = config_.windowed.empty() || config_.windowed[std::size_t(layer)];
  attention_(pool_, q, out, layer, windowed ? config_.window : 0);
  return out;
}

template <class Isa, class T, class Attention, class Linear>
auto backend<Isa, T, Attention, Linear>::silu_mul(rows gate_up) noexcept -> rows {
  int const n = gate_up.columns / 2;
  rows const y = workspace_.take(gate_up.rows, n);
  by_rows(y.rows, n * 4, [&](int r) {
    for (int i = 0; i < n; i += tree_lanes)
      cpu::silu_mul<T>(V::load(gate_up.row(r) + i), V::load(gate_up.row(r) + n + i)).store(y.row(r) + i);
  });
  return y;
}

template <class Isa, class T, class Attention, class Linear>
auto backend<Isa, T, Attention, Linear>::output_rows(rows x, step const& s) noexcept -> rows {
  rows const y = workspace_.take(s.outputs, x.columns);
  for (int i = 0; i < s.outputs; ++i) std::copy_n(x.row(s.output_rows[i]), x.stride, y.row(i));
  return y;
}

template <class Isa, class T, class Attention, class Linear>
logits_view backend<Isa, T, Attention, Linear>::logits(rows x, matrix const& head) noexcept {
  std::size_t const stride = std::size_t(head.outputs());
  multiply(x, head, none, [&](int r, int column, V v) { v.store(logits_.data() + std::size_t(r) * stride + column); });
  return {logits_.data(), x.rows, stride, head.rows(0)};
}

template <class Isa, class T, class Attention, class Linear>
void backend<Isa, T, Attention, Linear>::linear_add(rows x, rows h, matrix const& w, vector const& bias) noexcept {
  multiply(h, w, bias, [&](int r, int column, V v) {
    (V::load(x.row(r) + column) + cpu::rounded_to<T>(v)).store(x.row(r) + column);
  });
}

template <class Isa, class T, class Attention, class Linear>
auto backend<Isa, T, Attention, Linear>::gate_up_silu(rows x, matrix const& w) noexcept -> rows {
  int const panels = w.panels() / 2;
  rows const y = workspace_.take(x.rows, w.outputs() / 2);
  auto const all = operand_of(x, w);
  by_panels(x, w, panels, [&](int panel) {
    cpu::for_parts(x.rows, tile::rows, [&](int first, int count, int, int) {
      tile gate, up;
      auto const some = all.part(first, count);
      gate.multiply(w, panel, some, w.panel(panels + panel));
      up.multiply(w, panels + panel, some, w.panel(panel + 1));
      for (int r = 0; r < count; ++r)
        for (int c = 0; c < cpu::panel_outputs; c += tree_lanes)
          cpu::silu_mul<T>(cpu::rounded_to<T>(V::load(gate.row(r) + c)), cpu::rounded_to<T>(V::load(up.row(r) + c)))
              .store(y.row(first + r) + panel * cpu::panel_outputs + c);
    });
  });
  return y;
}

}  // namespace verbatim::cpu

namespace verbatim {

template <cpu::instruction_set Isa, class T, class Attention, class Linear> class ops<Isa, T, Attention, Linear> : public cpu::backend<Isa, T, Attention, Linear> {
 public:
  using cpu::backend<Isa, T, Attention, Linear>::backend;
};

}  // namespace verbatim

#include "verbatim/backend/cpu/kernels_separate.hpp"   // last: it declares instances of what is above, and includes this file where it is read first
