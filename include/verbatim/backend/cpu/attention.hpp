// Attention over paged keys and values, in leaves of absolute positions. Each leaf gives (max, sum of exp, weighted values) on its
// own (leaf_pass.hpp), and leaves merge in ascending order, so the bits of a row depend on its position and its keys alone: not on
// pages, chunking, company or threads (layout_invariant).
// A task is a few rows of one sequence with the query heads of one kv head, which share one pass over keys and values. Where
// sequences share leaves (shared_leaves.hpp), a first round visits each such leaf for all of them together.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include "verbatim/backend/cpu/leaf_attention.hpp"
#include "verbatim/backend/cpu/leaf_pass.hpp"
#include "verbatim/backend/cpu/shared_leaves.hpp"
#include "verbatim/backend/cpu/threads.hpp"
#include "verbatim/backend/memory.hpp"
#include "verbatim/backend/ops.hpp"
#include "verbatim/backend/step.hpp"
#include "verbatim/core/model_config.hpp"

namespace verbatim::cpu {

/// What the leaves so far gave a task's queries.
struct running_leaves {
  running_leaves(int queries, int width) : width(width), maxima(std::size_t(queries)), sums(std::size_t(queries)), values(std::size_t(queries) * std::size_t(width)) {}
  int width;
  aligned_array<float> maxima, sums, values;

  void clear(int queries) noexcept {
    std::fill_n(maxima.data(), queries, -std::numeric_limits<float>::infinity());
    std::fill_n(sums.data(), queries, 0.0f);
    std::fill_n(values.data(), std::size_t(queries) * std::size_t(width), 0.0f);
  }
  float* of(int query) noexcept { return values.data() + std::size_t(query) * std::size_t(width); }
  /// The next leaf of a query. The first one comes through exactly.
  template <class V> void merge(int query, leaf_result leaf) noexcept {
    float& m = maxima.data()[query];
    float& sum = sums.data()[query];
    float const together = math::max(leaf.maximum, m);
    float const old_scale = math::exp(m - together), new_scale = math::exp(leaf.maximum - together);
    m = together;
    sum = math::fma(leaf.sum, new_scale, sum * old_scale);
    float* const v = of(query);
    for (int i = 0; i < width; i += tree_lanes) fma(V::load(leaf.values + i), V(new_scale), V::load(v + i) * V(old_scale)).store(v + i);
  }
};

/// The kernel of leaf_attention: constructed with the backend, told of every step, run for every layer. Its bodies lie behind it, not inline:
/// a compiler that optimises instantiates what is inline in spite of `extern template` (kernels_separate.hpp).
template <class Isa, class T, class Policy> class attention {
  using V = vector_of<Isa>;
  using rows = rows_of<T>;

 public:
  attention(kv_store<T> const& kv, model_config const& c, ops_limits const& limits, int leaf);

  void begin(step const& s) noexcept;
  /// q and out: rows of the whole step, heads side by side. window: positions that a row sees, 0: all.
  void operator()(pool& threads, rows q, rows out, int layer, int window) noexcept;

 private:
  struct task { int slice, first; };

  std::size_t column_of(int kv_head, int query) const noexcept {
    return std::size_t(kv_head * group_ + query % group_) * std::size_t(kv_.head_dim());
  }
  /// Every shared leaf, for the queries of all its sequences, each result to its place.
  void visit_shared(pool& threads, rows q, int layer) noexcept;
  void run(task t, rows q, rows out, int layer, int kv_head, int window, int worker, bool sharing) noexcept;

  kv_store<T> const& kv_;
  int leaf_, group_, rows_per_task_;
  shared_leaves shared_;
  step const* step_ = nullptr;
  std::vector<task> tasks_;
  std::vector<leaf_scratch<T>> scratch_;
  std::vector<running_leaves> running_;
};

template <class Isa, class T, class Policy>
attention<Isa, T, Policy>::attention(kv_store<T> const& kv, model_config const& c, ops_limits const& limits, int leaf)
    : kv_(kv), leaf_(leaf), group_(c.heads / c.kv_heads), rows_per_task_(std::max(1, Policy::queries_per_task / group_)),
      shared_(Policy::shares_leaves ? limits : ops_limits{.slices = 1, .page = limits.page}, leaf, c.heads, kv.width()) {
  tasks_.reserve(std::size_t(limits.tokens));
  for (int i = 0; i < limits.threads; ++i) {
    scratch_.emplace_back(leaf, kv);
    running_.emplace_back(std::max(rows_per_task_ * group_, 1), kv.width());
  }
}

template <class Isa, class T, class Policy>
void attention<Isa, T, Policy>::begin(step const& s) noexcept {
  step_ = &s;
  tasks_.clear();
  for (int i = 0; i < s.slices; ++i)
    for (int r = 0; r < s.slice_of[i].rows; r += rows_per_task_) tasks_.push_back({i, r});
  if constexpr (Policy::shares_leaves) shared_.begin(s);
}

template <class Isa, class T, class Policy>
void attention<Isa, T, Policy>::operator()(pool& threads, rows q, rows out, int layer, int window) noexcept {
  bool const sharing = Policy::shares_leaves && window == 0 && !shared_.units().empty();
  if (sharing) visit_shared(threads, q, layer);
  int const count = int(tasks_.size());
  threads.run(count * kv_.heads(), [&](int i, int worker) {
    run(tasks_[std::size_t(count - 1 - i % count)], q, out, layer, i / count, window, worker, sharing);   // the last rows see most keys: longest first
  });
}

template <class Isa, class T, class Policy>
void attention<Isa, T, Policy>::visit_shared(pool& threads, rows q, int layer) noexcept {
  int const units = int(shared_.units().size());
  threads.run(units * kv_.heads(), [&](int i, int worker) {
    auto const& u = shared_.units()[std::size_t(i % units)];
    int const kv_head = i / units, base = u.leaf * leaf_;
    int const* const members = shared_.members() + u.first;
    slice const& leader = step_->slice_of[members[0]];
    leaf_pass<Isa, T> pass(kv_, scratch_[std::size_t(worker)], layer, kv_head);
    for_parts(u.count * group_, block_of<Isa>::rows, [&](int first, int n, int, int) {
      leaf_query<T> queries[leaf_scratch<T>::rows];
      for (int r = 0; r < n; ++r) {
        int const query = first + r, row = step_->slice_of[members[query / group_]].first_row;
        queries[r] = {q.row(row) + column_of(kv_head, query), 0, base + leaf_};
      }
      pass(leader.pages, base, queries, n, [&](int r, leaf_result const& got) {
        int const query = first + r;
        float* const to = shared_.result(members[query / group_], u.leaf, kv_head * group_ + query % group_);
        std::copy_n(got.values, kv_.width(), to);
        to[kv_.width()] = got.maximum, to[kv_.width() + 1] = got.sum;
      });
    });
  });
}

template <class Isa, class T, class Policy>
void attention<Isa, T, Policy>::run(task t, rows q, rows out, int layer, int kv_head, int window, int worker, bool sharing) noexcept {
  slice const& s = step_->slice_of[t.slice];
  int const count = std::min(rows_per_task_, s.rows - t.first), queries = count * group_, first_end = s.first_position + t.first + 1;
  auto const end_of = [&](int query) { return first_end + query / group_; };
  auto const begin_of = [&](int query) { return window > 0 ? std::max(0, end_of(query) - window) : 0; };
  auto const row_of = [&](int query) { return s.first_row + t.first + query / group_; };
  auto& so_far = running_[std::size_t(worker)];
  so_far.clear(queries);
  leaf_pass<Isa, T> pass(kv_, scratch_[std::size_t(worker)], layer, kv_head);
  int const known = sharing ? shared_.leaves_of(t.slice) : 0;
  for (int leaf = 0; leaf < known; ++leaf)
    for (int query = 0; query < queries; ++query) {
      float const* const got = shared_.result(t.slice, leaf, kv_head * group_ + query);
      so_far.template merge<V>(query, {got[kv_.width()], got[kv_.width() + 1], got});
    }
  for (int base = std::max(known, begin_of(0) / leaf_) * leaf_; base < end_of(queries - 1); base += leaf_)
    for_parts(queries, block_of<Isa>::rows, [&](int first, int n, int, int) {
      leaf_query<T> block[leaf_scratch<T>::rows];
      for (int r = 0; r < n; ++r) block[r] = {q.row(row_of(first + r)) + column_of(kv_head, first + r), begin_of(first + r), end_of(first + r)};
      pass(s.pages, base, block, n, [&](int r, leaf_result const& got) { so_far.template merge<V>(first + r, got); });
    });
  for (int query = 0; query < queries; ++query) {
    V const sum(so_far.sums.data()[query]);
    T* const to = out.row(row_of(query)) + column_of(kv_head, query);
    for (int i = 0; i < kv_.head_dim(); i += tree_lanes) store_some(to + i, V::load(so_far.of(query) + i) / sum, kv_.head_dim() - i);
  }
}

}  // namespace verbatim::cpu
