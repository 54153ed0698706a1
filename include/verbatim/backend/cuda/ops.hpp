// ops<cuda::…>: the backend of CUDA devices, for activations, weights and KV of type T. Host code: it lays out memory and enqueues
// kernels on an executor (a GPU's, or the emulator), which is all that differs between devices.
// Guarantee: batch_invariant, or what the linear part offers; which kernel runs depends on the number of rows, its bits do not. Rounding
// points in bf16 are those of the CPU. Everything is allocated at construction. A step is one copy to the device, then launches or the
// replay of one graph, sampling included, then copies back: one of the results, and one of each run of rows whose logits the host wants. A
// step may be started while the one before runs: everything goes through one stream, so whatever a step writes in device memory, pages of
// KV included, it writes after the steps before have read it, and only what the host writes and reads exists twice. That a step begins with
// a copy also keeps its products behind whatever wrote weights (launch.cuh).
// Not thread-safe. Errors: device.* from construction, and from waiting for what failed.
#pragma once
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "verbatim/backend/check.hpp"
#include "verbatim/backend/cpu/threads.hpp"
#include "verbatim/backend/cuda/device.hpp"
#include "verbatim/backend/cuda/emulator.hpp"
#include "verbatim/backend/cuda/gpu.hpp"
#include "verbatim/backend/cuda/step_memory.hpp"
#include "verbatim/backend/cuda/weight_store.hpp"
#include "verbatim/backend/rope_frequencies.hpp"
#include "verbatim/core/error.hpp"
#include "verbatim/kernel/copy_pages.hpp"
#include "verbatim/kernel/rms_norm.hpp"
#include "verbatim/kernel/rope_append.hpp"
#include "verbatim/kernel/rowwise.hpp"
#include "verbatim/kernel/sampling.hpp"

namespace verbatim {

template <cuda::device Device, class T, class Attention, class Linear> class ops<Device, T, Attention, Linear> {
  using executor = typename Device::executor;
  using memory = cuda::step_memory<executor, T, Attention, Linear>;

 public:
  using value = T;
  using rows = rows_of<T>;   ///< in device memory, without gaps
  /// Rows that only products read: where those want tiles, in tiles of so many groups of eight rows (kernel/activations.hpp).
  struct operand : rows {
    operand(rows x, int groups = 0) : rows(x), groups(groups) {}
    int groups;
  };
  using matrix = cuda::device_matrix<executor, T, Linear::template tiled<T>>;
  using vector = cuda::device_vector<executor>;
  static constexpr guarantee offers = std::min(guarantee::batch_invariant, Linear::offers);
  static constexpr int revision = Device::revision;
  static constexpr bool adds_residual = Linear::template tiled<T> || requires { requires Linear::template adds_residual<T>; };   ///< in its own kernel

  ops(model_config const& c, ops_limits limits, numerics contract)
      : config_(c), limits_(checked(c, limits, contract)), leaf_(contract.kv_leaf), pool_(limits.threads, limits.pin_threads), store_(executor_),
        memory_(c, limits, contract.kv_leaf), layer_kv_(std::size_t(limits.pages) * page_elements()), kv_(2 * std::size_t(c.layers) * layer_kv_),
        host_logits_(memory_.logits.size()) {
    auto const f = rope_frequencies(c);
    store_.write(memory_.frequencies.data(), f.data(), f.size());
    auto const products = memory::products(c, limits);
    if constexpr (requires { Linear::template prepare<T>(executor_, products); }) Linear::template prepare<T>(executor_, products);
  }

  // --- weights -------------------------------------------------------------------------------------------------------
  /// Shapes and exactness were checked by the caller.
  void load(matrix& to, int part, tensor const& t) {
    if constexpr (Linear::template tiled<T>) store_.load_tiles(to, part, t);
    else store_.convert(to.row(part, 0), t, std::size_t(to.rows(part)) * std::size_t(to.columns()));
  }
  void load(vector& to, int part, tensor const& t) { store_.template widen<T>(to.row(part, 0), t, std::size_t(to.rows(part))); }
  void unload(matrix const& from, int part, int row, T* to) const {
    if constexpr (Linear::template tiled<T>) store_.read_tiles(to, from, part, row);
    else store_.read(to, from.row(part, row), std::size_t(from.columns()));
  }
  void unload(vector const& from, int part, T* to) const { store_.template narrow<T>(to, from.row(part, 0), std::size_t(from.rows(part))); }

  /// Tensors may lie in this device's memory, and stay unchanged until wait() or the end of the next step.
  static constexpr bool reads_device_memory = true;
  std::vector<float> values_of(tensor const& t) const { return store_.values_of(t); }
  /// Before tensors in device memory are read: what any stream of the device still writes is there afterwards.
  void settle() { executor_.settle(); }
  /// For everything that was enqueued. Of steps that were started and not finished nothing is told any more.
  void wait() {
    finished_ = started_;
    executor_.wait();
  }

  // --- a step --------------------------------------------------------------------------------------------------------
  /// Enqueues `forward`, which calls what is below, for the step. Where rows of `wanted` (one an output, or none at all) want something,
  /// that is done on the device; the logits of the other rows, and only those, come to the host. A step may be started while one is not
  /// finished, if that one brings no logits; its ids ~i are then the tokens that the other one samples for its output i.
  template <class F> void start(step const& s, F&& forward, std::span<kernel::sampling_row const> wanted = {}) {
    int const which = int(started_++ % 2);
    shape_ = memory_.tables.fill(executor_, s, which, wanted, memory_.sampler.kernels_for(wanted, config_.vocabulary));
    auto const launch_all = [&] {
      forward();
      memory_.sampler.launch(queue(), memory_.logits, config_.vocabulary, memory_.tables.wanted(), shape_.finishes);
    };
    if (shape_.replays()) executor_.replay(shape_.key(), launch_all);
    else launch_all();
    std::size_t const row = std::size_t(config_.vocabulary);
    auto const sampled_here = [&](int i) { return !wanted.empty() && wanted[std::size_t(i)].wanted != kernel::sampling_row::what::nothing; };
    for (int first = 0, end; first < s.outputs; first = end + 1) {   // runs of rows that the host wants
      for (end = first; end < s.outputs && !sampled_here(end); ++end) {}
      std::size_t const at = std::size_t(first) * row;
      if (end > first) executor_.download(host_logits_.data() + at, memory_.logits.data() + at, std::size_t(end - first) * row * sizeof(float));
    }
    if (shape_.finishes != cuda::finishing::nothing) memory_.sampler.bring(executor_, s.outputs, which);
    outputs_[which] = s.outputs;
    executor_.mark(which);
  }
  /// Waits for the earliest step that is not finished, and gives its logits, valid and writable until the next start(), and the results of
  /// its rows that wanted something.
  logits_view finish(std::span<kernel::sampling_result> results = {}) {
    int const which = int(finished_++ % 2);
    executor_.wait(which);
    memory_.sampler.read(results, which);
    return {host_logits_.data(), outputs_[which], std::size_t(config_.vocabulary), config_.vocabulary};
  }
  /// Both, for logits of all outputs.
  template <class F> logits_view run(step const& s, F&& forward) {
    start(s, forward);
    return finish();
  }

  void begin(step const&) {
    used_ = 0;
    unmerged_ = {};
    queue().launch(kernel::rope_table_params<T>{memory_.tables.positions(), memory_.frequencies, memory_.cosine, memory_.sine, shape_.rows, config_.head_dim / 2});
  }

  rows embed(matrix const& table, step const&) {
    rows const x = take(shape_.rows, config_.hidden);
    auto const ids = memory_.tables.ids();
    auto const sampled = memory_.sampler.results();
    if constexpr (Linear::template tiled<T>) queue().launch(kernel::sm90::tiled_embedding{table.all(), ids, all(x), x.rows, x.columns, table.outputs(), sampled});
    else queue().launch(kernel::embedding_params<T>{table.all(), ids, all(x), x.rows, x.columns, sampled});
    return x;
  }

  operand rms_norm(rows x, vector const& w) {
    operand const y = take_operand(x.rows, x.columns);
    if (x.rows == 0) return y;   // a step that only computes keys and values
    if constexpr (Linear::template tiled<T>)
      if (unmerged_.leaves_each > 0 && unmerged_.y.data == x.data && Linear::norms_merged(unmerged_.outputs, unmerged_.k)) {
        executor_.launch(kernel::sm90::merge_norm{std::exchange(unmerged_, {}), w.all(), all(y), config_.rms_eps, y.groups});
        return y;
      }
    queue().launch(kernel::rms_norm_params<T>{all(x), w.all(), all(y), x.rows, x.columns, x.columns, config_.rms_eps, 1, y.groups});
    return y;
  }

  /// T(x w^T + bias); an empty bias is none.
  rows linear(operand x, matrix const& w, vector const& bias = none) {
    rows const y = take(x.rows, w.outputs());
    Linear::enqueue(queue(), product_of<T>(x, w, bias, all(y)), scratch());
    return y;
  }

  /// x = T(x + y).
  void add(rows x, rows y) { queue().launch(kernel::add_params<T>{all(x), all(y), x.rows, x.columns}); }

  /// x = T(x + T(h w^T + bias)), or rounded once where the part does so. Where leaves are still to be merged, that waits: a norm of x may
  /// come next, and does it too.
  void linear_add(rows x, operand h, matrix const& w, vector const& bias) requires(adds_residual) {
    auto p = product_of<T>(h, w, bias, all(x));
    p.residual = all(x);
    if constexpr (Linear::template tiled<T>) {
      auto const started = Linear::start(queue(), p, scratch());
      if (started.leaves_each > 0) unmerged_ = started;
    } else {
      Linear::enqueue(queue(), p, scratch());
    }
  }

  heads_of<T> split_heads(rows x, matrix const& qkv) const noexcept {
    auto const part = [&](int p) { return rows{x.data + qkv.offset(p), x.rows, qkv.rows(p), x.stride}; };
    return {part(0), part(1), part(2)};
  }

  /// RMS norm of each head of q and k on its own.
  void head_norm(heads_of<T> h, vector const& q_weight, vector const& k_weight) {
    for (auto [x, w] : {std::pair{h.q, &q_weight}, {h.k, &k_weight}}) {
      kernel::global<T> const heads{x.data, std::size_t(x.rows - 1) * x.stride + std::size_t(x.columns)};
      queue().launch(kernel::rms_norm_params<T>{heads, w->all(), heads, x.rows, config_.head_dim, int(x.stride), config_.rms_eps, x.columns / config_.head_dim});
    }
  }

  /// Rotates q and k, stores k and v of the step's tokens in the pages of their sequences, and gives the queries.
  rows rope_append(heads_of<T> h, step const&, int layer) {
    rows const q = take(h.q.rows, h.q.columns);
    queue().launch(append_of({h.q.data, std::size_t(h.q.rows) * h.q.stride}, q, layer));
    return q;
  }

  /// rope_append of the heads of linear(h, qkv, bias), normed where there are norms.
  rows queries(operand h, matrix const& qkv, vector const& bias, vector const& q_norm, vector const& k_norm, step const&, int layer) {
    rows const heads = take(h.rows, qkv.outputs()), q = take(h.rows, qkv.rows(0));
    auto append = append_of(all(heads), q, layer);
    append.q_norm = q_norm.all(), append.k_norm = k_norm.all(), append.eps = config_.rms_eps;
    auto const p = product_of<T>(h, qkv, bias, all(heads));
    if constexpr (Linear::template tiled<T>) {
      auto const started = Linear::start(queue(), p, scratch());
      if (started.leaves_each > 0) append.partial = started.partial, append.bias = started.bias, append.leaves = kernel::sm90::leaves_of(started.k);
    } else {
      Linear::enqueue(queue(), p, scratch());
    }
    executor_.launch(append);
    return q;
  }

  operand attend(rows q, step const&, int layer) {
    operand const out = take_operand(q.rows, q.columns);
    bool const windowed = config_.windowed.empty() || config_.windowed[std::size_t(layer)];
    auto const& tables = memory_.tables;
    auto const enqueue = [&](int first, int count, int longest, bool split) {
      if (count == 0) return;
      kernel::attention_params<T> const p{all(q), all(out), kv_of(layer), tables.sequences(first, count), config_.heads, split ? count : q.rows, leaf_,
                                          windowed ? config_.window : 0, longest, shape_.leaves, memory_.partial, out.groups};
      cuda::attention_step how{.positions = tables.positions(), .split = split};
      if (split && shape_.runs > 0)
        how.runs = tables.runs(), how.members = tables.members(), how.shared_leaves = tables.shared_leaves(), how.most_members = shape_.members;
      Attention::enqueue(queue(), p, how);
    };
    enqueue(0, shape_.decoding, 1, memory::partial_of(config_, shape_.decoding, shape_.leaves) <= memory_.partial.size());
    enqueue(shape_.decoding, shape_.sequences - shape_.decoding, shape_.longest, false);
    return out;
  }

  /// T(T(silu(gate)) * up) of [gate, up].
  operand silu_mul(rows gate_up) {
    operand const y = take_operand(gate_up.rows, gate_up.columns / 2);
    queue().launch(kernel::silu_mul_params<T>{all(gate_up), all(y), y.rows, y.columns, y.groups});
    return y;
  }

  /// silu_mul(linear(h, [gate, up])) without the intermediate rows.
  operand gate_up_silu(operand h, matrix const& w) requires(Linear::template tiled<T>) {
    operand const y = take_operand(h.rows, w.outputs() / 2);
    auto p = product_of<T>(h, w, none, all(y));
    p.pairs = kernel::sm90::pairing::gated, p.y_groups = y.groups;
    Linear::enqueue(queue(), p, scratch());
    return y;
  }

  /// The rows of x whose logits are wanted.
  rows output_rows(rows x, step const&) {
    rows const y = take(shape_.outputs, x.columns);
    if (y.rows > 0) queue().launch(kernel::embedding_params<T>{all(x), memory_.tables.output_rows(), all(y), y.rows, y.columns});
    return y;
  }

  /// Stay in device memory; run() brings them to the host.
  logits_view logits(operand x, matrix const& head) {
    if (x.rows > 0) Linear::enqueue(queue(), product_of<float>(x, head, none, memory_.logits), scratch());
    return {};
  }

  // --- KV pages, threads, memory ---------------------------------------------------------------------------------------
  /// Copies pages of all layers, keys and values: {from, to} of each, as if in order. One launch, and another where a copy may not run
  /// beside those before it (kernel::page_pairs).
  template <class Copies> void copy_pages(Copies const& copies) {
    kernel::copy_pages<T> p{{kv_.data(), kv_.size()}, {}, 2 * config_.layers, limits_.pages, page_elements()};
    for (auto const& c : copies) {
      if (p.pairs.add(c.from, c.to)) continue;
      executor_.launch(p);
      p.pairs = {};
      p.pairs.add(c.from, c.to);
    }
    if (p.pairs.count > 0) executor_.launch(p);
  }
  void copy_page(int from, int to) { copy_pages(std::array{kernel::page_pair{from, to}}); }
  /// f(index) for 0 <= index < count, on the host's threads; f must not throw.
  template <class F> void parallel(int count, F&& f) noexcept {
    pool_.run(count, [&](int index, int) { f(index); });
  }
  /// Gives back the workspace that was taken during its life.
  struct scope {
    explicit scope(ops& o) : owner(o), mark(o.used_) {}
    scope(scope const&) = delete;
    ~scope() { owner.used_ = mark; }
    ops& owner;
    std::size_t mark;
  };
  scope workspace_scope() noexcept { return scope(*this); }
  std::size_t kv_bytes() const noexcept { return kv_.bytes(); }
  ops_limits const& limits() const noexcept { return limits_; }
  int threads() const noexcept { return pool_.threads(); }   ///< that `parallel` runs on
  void keep_caller() noexcept { pool_.keep_caller(); }       ///< the thread that drives, to a processor of its own where threads are pinned

 private:
  inline static vector const none{};

  static ops_limits checked(model_config const& c, ops_limits limits, numerics contract) {
    check_shape(c, limits, contract, 16);
    if (!cuda::with_head_dim(c.head_dim, []<int>() {}))
      throw error("device", 1, "head_dim is " + std::to_string(c.head_dim) + "; this device's attention is compiled for 32, 64 and 128");
    for (auto [what, n] : {std::pair{"hidden size", c.hidden}, {"intermediate size", c.intermediate}})
      if (n % simt::pack_size<T>)
        throw error("device", 2, std::string(what) + " is " + std::to_string(n) + ", expected a multiple of " + std::to_string(simt::pack_size<T>) + " on this device");
    if (contract.k_leaf != Linear::k_leaf)
      throw error("device", 3, "the contract's k_leaf is " + std::to_string(contract.k_leaf) + ", that of this device's linear layers " + std::to_string(Linear::k_leaf));
    if constexpr (requires { Attention::template shared_bytes<T>(1, 1, 1); })
      if (int const bytes = Attention::template shared_bytes<T>(c.head_dim, contract.kv_leaf, limits.page); bytes > simt::most_shared)
        throw error("device", 14, "the contract's kv_leaf is " + std::to_string(contract.kv_leaf) + ", for which attention would take " + std::to_string(bytes) +
                                      " bytes of a block's shared memory, and there are " + std::to_string(simt::most_shared));
    return limits;
  }

  std::size_t page_elements() const noexcept { return std::size_t(config_.kv_heads) * std::size_t(limits_.page) * std::size_t(config_.head_dim); }
  kernel::paged_kv<T> kv_of(int layer) const noexcept {
    T* const keys = kv_.data() + 2 * std::size_t(layer) * layer_kv_;
    return {{keys, layer_kv_}, {keys + layer_kv_, layer_kv_}, limits_.page, config_.kv_heads, config_.head_dim};
  }
  /// Uninitialised rows, at a multiple of 128 bytes.
  rows take(int count, int columns) noexcept { return {take(std::size_t(count) * std::size_t(columns)), count, columns, std::size_t(columns)}; }
  operand take_operand(int count, int columns) noexcept {
    int const groups = memory::groups_of(count);
    return {{take(memory::operand_elements(count, columns, groups)), count, columns, std::size_t(columns)}, groups};
  }
  T* take(std::size_t elements) noexcept {
    T* const p = memory_.workspace.data() + used_;
    used_ += (elements + 63) / 64 * 64;
    if (used_ > memory_.workspace.size()) __builtin_trap();
    return p;
  }
  static kernel::global<T> all(operand x) noexcept { return {x.data, memory::operand_elements(x.rows, x.columns, x.groups)}; }

  /// The executor, for a launch behind what waits to be merged.
  executor& queue() {
    if constexpr (Linear::template tiled<T>)
      if (unmerged_.leaves_each > 0) executor_.launch(kernel::sm90::merge_leaves<T>{std::exchange(unmerged_, {})});
    return executor_;
  }
  template <class Out> static cuda::product<T, Out> product_of(operand x, matrix const& w, vector const& bias, kernel::global<Out> y) {
    using kernel::sm90::pairing;
    return {all(x), w.all(), bias.all(), {}, y, x.rows, w.outputs(), w.columns(), x.groups, w.alternates() ? pairing::apart : pairing::none};
  }
  cuda::product_scratch<T> scratch() const noexcept { return {memory_.scratch_rows, memory_.scratch_partial}; }
  kernel::rope_append_params<T> append_of(kernel::global<T const> qkv, rows q, int layer) const noexcept {
    auto const& tables = memory_.tables;
    auto const sequences = tables.sequences(0, shape_.sequences);
    return {qkv, all(q), memory_.cosine, memory_.sine, tables.positions(), tables.sequence_of(), sequences, kv_of(layer), q.rows, config_.heads};
  }

  model_config config_;
  ops_limits limits_;
  int leaf_;
  cpu::pool pool_;
  executor executor_;
  mutable cuda::weight_store<executor> store_;
  memory memory_;
  cuda::step_shape shape_;
  std::size_t layer_kv_;
  cuda::device_array<executor, T> kv_;
  std::size_t used_ = 0;
  cuda::staging_array<executor, float> host_logits_;
  kernel::sm90::linear_params<T> unmerged_{};   ///< a sum onto rows whose leaves wait to be merged, where leaves_each > 0
  unsigned started_ = 0, finished_ = 0;   // steps
  int outputs_[2] = {};
};

}  // namespace verbatim
