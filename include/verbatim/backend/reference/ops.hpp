// ops<cpu::reference>: the same operations in the plainest form – Eigen in f32, libm, whole rows of scores – to test other
// backends against, never to be fast. Activations are rounded to T at the same points as elsewhere. Weights are kept as
// f32 [outputs, k]; keys and values as f32 rows per page. One thread. Guarantee: run_to_run (Eigen picks its own order).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <deque>
#include <vector>

#include <Eigen/Core>

#include "verbatim/backend/check.hpp"
#include "verbatim/backend/cpu/isa.hpp"
#include "verbatim/backend/ops.hpp"
#include "verbatim/backend/rope_frequencies.hpp"
#include "verbatim/backend/step.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/numerics/contract.hpp"

namespace verbatim {

namespace cpu {

using eigen_matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Several checkpoint tensors one below the other.
struct joined_matrix {
  joined_matrix() = default;
  joined_matrix(int const* rows, int parts, int columns) : parts_(parts), offset{0} {
    for (int p = 0; p < parts; ++p) offset.push_back(offset.back() + rows[p]);
    values.setZero(offset.back(), columns);
  }
  bool empty() const noexcept { return parts_ == 0; }
  std::size_t bytes() const noexcept { return std::size_t(values.size()) * sizeof(float); }

  int parts_ = 0;
  std::vector<int> offset;
  eigen_matrix values;
};

/// The same for tensors of rank 1: one column.
struct joined_vector : joined_matrix {
  joined_vector() = default;
  joined_vector(int const* sizes, int parts) : joined_matrix(sizes, parts, 1) {}
};

}  // namespace cpu

template <class T> class ops<cpu::reference, T, cpu::plain_attention, cpu::eigen_linear> {
 public:
  using value = T;
  using rows = rows_of<T>;
  using matrix = cpu::joined_matrix;
  using vector = cpu::joined_vector;
  static constexpr guarantee offers = guarantee::run_to_run;
  static constexpr int revision = cpu::reference::revision;

  ops(model_config const& c, ops_limits limits, numerics contract)
      : config_(c), limits_(limits), frequencies_((check_shape(c, limits, contract, 1), rope_frequencies(c))),
        kv_width_(std::size_t(c.kv_heads) * std::size_t(c.head_dim)),
        kv_(2 * std::size_t(c.layers) * std::size_t(limits.pages) * std::size_t(limits.page) * kv_width_) {}

  void load(cpu::joined_matrix& to, int part, tensor const& t) {
    std::size_t const begin = std::size_t(to.offset[std::size_t(part)]) * std::size_t(to.values.cols());
    for (std::size_t i = 0; i < std::size_t(t.shape.elements()); ++i) to.values.data()[begin + i] = to_float(from_float<T>(read(t, i)));
  }

  void unload(matrix const& from, int part, int row, T* to) const {
    for (int i = 0; i < int(from.values.cols()); ++i) to[i] = from_float<T>(from.values(from.offset[std::size_t(part)] + row, i));
  }
  void unload(vector const& from, int part, T* to) const {
    for (int i = from.offset[std::size_t(part)]; i < from.offset[std::size_t(part) + 1]; ++i) *to++ = from_float<T>(from.values(i, 0));
  }

  void begin(step const&) noexcept { used_ = 0; }

  rows embed(matrix const& table, step const& s) {
    rows const x = take(s.tokens, config_.hidden);
    for (int r = 0; r < s.tokens; ++r)
      for (int i = 0; i < x.columns; ++i) x.row(r)[i] = from_float<T>(table.values(s.ids[r], i));
    return x;
  }

  rows rms_norm(rows x, vector const& w) {
    rows const y = take(x.rows, x.columns);
    for (int r = 0; r < x.rows; ++r) norm(x.row(r), w, y.row(r), x.columns);
    return y;
  }

  rows linear(rows x, matrix const& w, vector const& bias = none) {
    cpu::eigen_matrix const y = product(x, w, bias);
    rows const out = take(x.rows, int(y.cols()));
    for (int r = 0; r < out.rows; ++r)
      for (int i = 0; i < out.columns; ++i) out.row(r)[i] = from_float<T>(y(r, i));
    return out;
  }

  void add(rows x, rows y) noexcept {
    for (int r = 0; r < x.rows; ++r)
      for (int i = 0; i < x.columns; ++i) x.row(r)[i] = from_float<T>(to_float(x.row(r)[i]) + to_float(y.row(r)[i]));
  }

  heads_of<T> split_heads(rows x, matrix const& qkv) const noexcept {
    auto const part = [&](std::size_t p) { return rows{x.data + qkv.offset[p], x.rows, qkv.offset[p + 1] - qkv.offset[p], x.stride}; };
    return {part(0), part(1), part(2)};
  }

  void head_norm(heads_of<T> h, vector const& q_weight, vector const& k_weight) noexcept {
    for (auto [x, w] : {std::pair{h.q, &q_weight}, {h.k, &k_weight}})
      for (int r = 0; r < x.rows; ++r)
        for (int i = 0; i < x.columns; i += config_.head_dim) norm(x.row(r) + i, *w, x.row(r) + i, config_.head_dim);
  }

  void rope(heads_of<T> h, step const& s) noexcept {
    auto const rounded = [](float x) { return to_float(from_float<T>(x)); };
    int const half = config_.head_dim / 2;
    for (rows x : {h.q, h.k})
      for (int r = 0; r < x.rows; ++r)
        for (int at = 0; at < x.columns; at += config_.head_dim)
          for (int i = 0; i < half; ++i) {
            float const angle = float(s.positions[r]) * frequencies_[std::size_t(i)];
            float const c = rounded(std::cos(angle)), n = rounded(std::sin(angle));
            T& first = x.row(r)[at + i];
            T& second = x.row(r)[at + half + i];
            float const a = to_float(first), b = to_float(second);
            first = from_float<T>(rounded(a * c) - rounded(b * n));
            second = from_float<T>(rounded(b * c) + rounded(a * n));
          }
  }

  void append(heads_of<T> h, step const& s, int layer) noexcept {
    for (int i = 0; i < s.slices; ++i)
      for (int r = 0; r < s.slice_of[i].rows; ++r) {
        slice const& sl = s.slice_of[i];
        float* const k = kv_row(0, layer, sl, sl.first_position + r);
        float* const v = kv_row(1, layer, sl, sl.first_position + r);
        for (std::size_t d = 0; d < kv_width_; ++d) {
          k[d] = to_float(h.k.row(sl.first_row + r)[d]);
          v[d] = to_float(h.v.row(sl.first_row + r)[d]);
        }
      }
  }

  rows attend(rows q, step const& s, int layer) {
    rows const out = take(q.rows, q.columns);
    bool const windowed = config_.windowed.empty() || config_.windowed[std::size_t(layer)];
    int const window = windowed ? config_.window : 0;
    for (int i = 0; i < s.slices; ++i)
      for (int r = 0; r < s.slice_of[i].rows; ++r)
        for (int head = 0; head < config_.heads; ++head)
          attend_one(q.row(s.slice_of[i].first_row + r), out.row(s.slice_of[i].first_row + r), s.slice_of[i],
                     s.slice_of[i].first_position + r, head, layer, window);
    return out;
  }

  rows silu_mul(rows gate_up) {
    int const n = gate_up.columns / 2;
    rows const y = take(gate_up.rows, n);
    for (int r = 0; r < y.rows; ++r)
      for (int i = 0; i < n; ++i) {
        float const g = to_float(gate_up.row(r)[i]);
        float const activated = to_float(from_float<T>(g / (1.0f + std::exp(-g))));
        y.row(r)[i] = from_float<T>(activated * to_float(gate_up.row(r)[n + i]));
      }
    return y;
  }

  rows output_rows(rows x, step const& s) {
    rows const y = take(s.outputs, x.columns);
    for (int i = 0; i < s.outputs; ++i) std::copy_n(x.row(s.output_rows[i]), x.columns, y.row(i));
    return y;
  }

  logits_view logits(rows x, matrix const& head) {
    logits_ = product(x, head, none);
    return {logits_.data(), x.rows, std::size_t(logits_.cols()), int(logits_.cols())};
  }

  void copy_page(int from, int to) noexcept {
    std::size_t const size = std::size_t(limits_.page) * kv_width_;
    for (std::size_t i = 0; i < 2 * std::size_t(config_.layers); ++i) {
      float* const base = kv_.data() + i * std::size_t(limits_.pages) * size;
      std::copy_n(base + std::size_t(from) * size, size, base + std::size_t(to) * size);
    }
  }
  template <class F> void parallel(int count, F&& f) {
    for (int i = 0; i < count; ++i) f(i);
  }
  struct scope {};
  scope workspace_scope() noexcept { return {}; }
  std::size_t kv_bytes() const noexcept { return kv_.size() * sizeof(float); }
  ops_limits const& limits() const noexcept { return limits_; }
  int threads() const noexcept { return 1; }   ///< that `parallel` runs on

 private:
  inline static vector const none{};

  static float read(tensor const& t, std::size_t i) noexcept {
    if (t.type == dtype::f32) return static_cast<float const*>(t.data)[i];
    if (t.type == dtype::bf16) return to_float(static_cast<bf16 const*>(t.data)[i]);
    return to_float(static_cast<f16 const*>(t.data)[i]);
  }

  rows take(int count, int columns) {
    if (used_ == buffers_.size()) buffers_.emplace_back();
    auto& b = buffers_[used_++];
    b.assign(std::size_t(count) * std::size_t(columns), T{});
    return {b.data(), count, columns, std::size_t(columns)};
  }

  cpu::eigen_matrix product(rows x, matrix const& w, vector const& bias) const {
    cpu::eigen_matrix in(x.rows, w.values.cols());
    for (int r = 0; r < x.rows; ++r)
      for (Eigen::Index i = 0; i < in.cols(); ++i) in(r, i) = to_float(x.row(r)[i]);
    // Dot by dot: Eigen's blocked product would be faster, and more than half of the compile time.
    cpu::eigen_matrix y(x.rows, w.values.rows());
    for (Eigen::Index r = 0; r < y.rows(); ++r)
      for (Eigen::Index i = 0; i < y.cols(); ++i) y(r, i) = in.row(r).dot(w.values.row(i));
    if (!bias.empty()) y.rowwise() += bias.values.col(0).transpose();
    return y;
  }

  void norm(T const* x, vector const& w, T* y, int n) const noexcept {
    double squares = 0;
    for (int i = 0; i < n; ++i) squares += double(to_float(x[i])) * double(to_float(x[i]));
    float const scale = 1.0f / std::sqrt(float(squares / n) + config_.rms_eps);
    for (int i = 0; i < n; ++i) y[i] = from_float<T>(w.values(i, 0) * to_float(from_float<T>(to_float(x[i]) * scale)));
  }

  float* kv_row(int which, int layer, slice const& sl, int position) noexcept {
    std::size_t const page = std::size_t(sl.pages[position / limits_.page]);
    std::size_t const table = (std::size_t(which) * std::size_t(config_.layers) + std::size_t(layer)) * std::size_t(limits_.pages);
    return kv_.data() + ((table + page) * std::size_t(limits_.page) + std::size_t(position % limits_.page)) * kv_width_;
  }

  void attend_one(T const* q, T* out, slice const& sl, int position, int head, int layer, int window) {
    int const d = config_.head_dim, first = window > 0 ? std::max(0, position + 1 - window) : 0;
    std::ptrdiff_t const kv_head = std::ptrdiff_t(head / (config_.heads / config_.kv_heads)) * d;
    std::vector<double> weight, sum(std::size_t(d), 0.0);
    for (int j = first; j <= position; ++j) {
      float const* const k = kv_row(0, layer, sl, j) + kv_head;
      double dot = 0;
      for (int i = 0; i < d; ++i) dot += double(to_float(q[head * d + i])) * double(k[i]);
      weight.push_back(dot / std::sqrt(double(d)));
    }
    double const largest = *std::max_element(weight.begin(), weight.end());
    double total = 0;
    for (double& w : weight) total += w = std::exp(w - largest);
    for (int j = first; j <= position; ++j) {
      float const* const v = kv_row(1, layer, sl, j) + kv_head;
      for (int i = 0; i < d; ++i) sum[std::size_t(i)] += weight[std::size_t(j - first)] * double(v[i]);
    }
    for (int i = 0; i < d; ++i) out[head * d + i] = from_float<T>(float(sum[std::size_t(i)] / total));
  }

  model_config config_;
  ops_limits limits_;
  std::vector<float> frequencies_;
  std::size_t kv_width_;
  std::vector<float> kv_;
  std::deque<std::vector<T>> buffers_;   // of this step, in the order in which they were taken
  std::size_t used_ = 0;
  cpu::eigen_matrix logits_;
};

}  // namespace verbatim
