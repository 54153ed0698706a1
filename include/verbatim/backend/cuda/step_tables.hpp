// A step as kernels read it: ids, positions, sequences, page tables and what is sampled, packed on the host into one piece, copied to one
// place of the device. Steps in which sequences only decode are rounded up to a few shapes, so that what was enqueued for one can be
// replayed for another: rows that fill up belong to no sequence, and nothing of them is kept.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <vector>

#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/backend/cuda/recorded_graphs.hpp"
#include "verbatim/backend/ops.hpp"
#include "verbatim/backend/step.hpp"
#include "verbatim/kernel/paged_kv.hpp"
#include "verbatim/kernel/sampling.hpp"
#include "verbatim/kernel/shared_prefix.hpp"

namespace verbatim::cuda {

/// Kernels that finish rows of a step.
enum class finishing : int { nothing, draws, cuts };   ///< cuts: rows that truncate are among them

/// Of a step. The first `decoding` sequences have one row each, in order; the others come after them.
struct step_shape {
  int rows = 0, sequences = 0, decoding = 0, outputs = 0;
  int leaves = 0;       ///< of the longest sequence, or more
  int pages_each = 0;   ///< columns of the page table
  int longest = 0;      ///< rows of a sequence at most
  int runs = 0, members = 0;   ///< prefixes that decoding sequences share, and sequences of one at most; rounded up, 0: none
  finishing finishes = finishing::nothing;
  bool replays() const noexcept { return decoding == sequences; }
  /// Of a step that replays: all that its launches and the places in its tables depend on. The columns of the page table follow from the leaves.
  graph_key key() const noexcept { return {rows, outputs, leaves, runs, members, int(finishes)}; }
};

/// Rows of a decoding step, rounded up: to a power of two, then to multiples of 8, then of an eighth of themselves.
constexpr int rounded_rows(int rows) {
  int step = 1;
  while (step < rows && step < 8) step *= 2;
  if (rows <= 8) return step;
  while (16 * step < rows) step *= 2;
  return (rows + step - 1) / step * step;
}
constexpr int rounded_leaves(int leaves) {
  int n = 1;
  while (n < leaves) n *= 2;
  return n;
}

template <class Executor> class step_tables {
 public:
  /// `finds_prefixes`: whether attention reads what sequences share once.
  step_tables(ops_limits const& l, int leaf, bool finds_prefixes)
      : finds_prefixes_(finds_prefixes), page_(l.page), leaf_(leaf), context_(l.context > 0 ? std::min(l.context, l.pages * l.page) : l.pages * l.page),
        most_rows_(std::min({l.tokens, l.slices, l.outputs})), most_outputs_(l.outputs),
        sequences_(std::size_t(l.slices)), found_runs_(std::size_t(l.slices)), found_members_(std::size_t(l.slices)), found_leaves_(std::size_t(l.slices)),
        all_(std::size_t(3 * l.tokens + 16 * l.slices + (1 + job_ints) * l.outputs + 8) + std::size_t(l.slices) * std::size_t(pages_for(most_leaves()))),
        staged_(2 * all_.size()) {}

  std::size_t bytes() const noexcept { return all_.bytes(); }   ///< in device memory
  int most_leaves() const noexcept { return (context_ + leaf_ - 1) / leaf_; }

  /// Packs s and copies it. `which` of two places of the host it goes through: the step that went through it before must have ended.
  /// `wanted`: of each output, where kernels finish any.
  step_shape fill(Executor& e, step const& s, int which, std::span<kernel::sampling_row const> wanted = {}, finishing finishes = finishing::nothing) noexcept {
    shape_ = {.rows = s.tokens, .sequences = s.slices, .outputs = s.outputs, .finishes = finishes};
    found_ = 0;
    int end = 1;
    for (int i = 0; i < s.slices; ++i) {
      slice const& sl = s.slice_of[i];
      end = std::max(end, sl.first_position + sl.rows);
      shape_.longest = std::max(shape_.longest, sl.rows);
      if (shape_.decoding == i && sl.rows == 1 && sl.first_row == i) ++shape_.decoding;
    }
    shape_.leaves = std::min(rounded_leaves((end + leaf_ - 1) / leaf_), std::max(most_leaves(), (end + leaf_ - 1) / leaf_));
    shape_.pages_each = pages_for(shape_.leaves);
    if (shape_.replays()) {
      shape_.rows = shape_.sequences = shape_.decoding = std::min(rounded_rows(s.tokens), std::max(most_rows_, s.tokens));
      shape_.outputs = std::min({shape_.rows, std::max(rounded_rows(s.outputs), s.outputs), most_outputs_});
    }
    find_prefixes(s);
    used_ = 0;
    wanted_ = take(finishes != finishing::nothing ? job_ints * shape_.outputs : 0);   // first: its alignment is the widest
    ids_ = take(shape_.rows), positions_ = take(shape_.rows), sequence_of_ = take(shape_.rows);
    first_row_ = take(shape_.sequences), rows_ = take(shape_.sequences), first_position_ = take(shape_.sequences);
    runs_ = take(4 * shape_.runs), members_ = take(shape_.runs > 0 ? shape_.decoding : 0), leaves_of_ = take(shape_.runs > 0 ? shape_.decoding : 0);
    output_rows_ = take(shape_.outputs), pages_ = take(shape_.sequences * shape_.pages_each);
    int* const staged = staged_.data() + std::size_t(which) * all_.size();
    write(s, finishes != finishing::nothing ? wanted : std::span<kernel::sampling_row const>(), staged);
    e.upload(all_.data(), staged, used_ * sizeof(int));
    return shape_;
  }

  /// Of each output; rows that fill up want nothing. Empty where no kernel finishes rows.
  kernel::global<kernel::sampling_row const> wanted() const noexcept {
    return {reinterpret_cast<kernel::sampling_row const*>(all_.data() + wanted_), shape_.finishes != finishing::nothing ? std::size_t(shape_.outputs) : 0};
  }
  kernel::global<token const> ids() const noexcept { return view(ids_, shape_.rows); }
  kernel::global<int const> positions() const noexcept { return view(positions_, shape_.rows); }
  kernel::global<int const> sequence_of() const noexcept { return view(sequence_of_, shape_.rows); }
  /// Prefixes that decoding sequences share (kernel/shared_prefix.hpp); empty where there are none.
  kernel::global<kernel::shared_run const> runs() const noexcept { return {reinterpret_cast<kernel::shared_run const*>(all_.data() + runs_), std::size_t(shape_.runs)}; }
  kernel::global<int const> members() const noexcept { return view(members_, shape_.runs > 0 ? shape_.decoding : 0); }
  kernel::global<int const> shared_leaves() const noexcept { return view(leaves_of_, shape_.runs > 0 ? shape_.decoding : 0); }
  kernel::global<int const> output_rows() const noexcept { return view(output_rows_, shape_.outputs); }
  /// `count` sequences from `first` on.
  kernel::sequences sequences(int first, int count) const noexcept {
    auto const of = [&](std::size_t at) { return view(at + std::size_t(first), count); };
    return {of(first_row_), of(rows_), of(first_position_), view(pages_ + std::size_t(first) * std::size_t(shape_.pages_each), count * shape_.pages_each), count,
            shape_.pages_each};
  }

 private:
  static constexpr int job_ints = int(sizeof(kernel::sampling_row) / sizeof(int));
  static_assert(sizeof(kernel::sampling_row) % sizeof(int) == 0 && int(kernel::sampling_row::what::nothing) == 0);

  int pages_for(int leaves) const noexcept { return (leaves * leaf_ + page_ - 1) / page_; }
  std::size_t take(int n) noexcept {
    std::size_t const at = used_;
    used_ += std::size_t(n);
    if (used_ > all_.size()) __builtin_trap();   // sized for every step that the limits allow
    return at;
  }
  kernel::global<int const> view(std::size_t at, int n) const noexcept { return {all_.data() + at, std::size_t(n)}; }
  void find_prefixes(step const& s) noexcept {
    int const own = std::min(s.slices, shape_.decoding);   // before rounding up, or after it
    if (!finds_prefixes_ || own < 2) return;
    for (int i = 0; i < own; ++i) sequences_[std::size_t(i)] = {s.slice_of[i].pages, s.slice_of[i].first_position + 1};
    found_ = kernel::find_shared_prefixes(sequences_.data(), own, page_, leaf_, found_runs_.data(), found_members_.data(), found_leaves_.data());
    if (found_ == 0) return;
    int most = 0;
    for (int r = 0; r < found_; ++r) most = std::max(most, found_runs_[std::size_t(r)].count);
    shape_.runs = rounded_leaves(found_), shape_.members = rounded_leaves(most);
  }
  void write(step const& s, std::span<kernel::sampling_row const> wanted, int* to) noexcept {
    std::fill(to, to + used_, 0);
    if (!wanted.empty()) std::memcpy(to + wanted_, wanted.data(), wanted.size_bytes());
    std::copy_n(s.ids, s.tokens, to + ids_);
    std::copy_n(s.positions, s.tokens, to + positions_);
    std::fill_n(to + sequence_of_, shape_.rows, -1);
    for (int r = s.tokens; r < shape_.rows; ++r) to[positions_ + std::size_t(r)] = -1;
    for (int i = 0; i < s.slices; ++i) {
      slice const& sl = s.slice_of[i];
      std::fill_n(to + sequence_of_ + sl.first_row, sl.rows, i);
      to[first_row_ + std::size_t(i)] = sl.first_row, to[rows_ + std::size_t(i)] = sl.rows, to[first_position_ + std::size_t(i)] = sl.first_position;
      std::copy_n(sl.pages, (sl.first_position + sl.rows + page_ - 1) / page_, to + pages_ + std::size_t(i) * std::size_t(shape_.pages_each));
    }
    std::copy_n(s.output_rows, s.outputs, to + output_rows_);
    if (shape_.runs > 0) {
      int const own = std::min(s.slices, shape_.decoding);
      static_assert(sizeof(kernel::shared_run) == 4 * sizeof(int));
      std::memcpy(to + runs_, found_runs_.data(), std::size_t(found_) * sizeof(kernel::shared_run));
      std::copy_n(found_members_.data(), own, to + members_);
      std::copy_n(found_leaves_.data(), own, to + leaves_of_);
    }
  }

  bool finds_prefixes_;
  int page_, leaf_, context_, most_rows_, most_outputs_, found_ = 0;
  std::vector<kernel::decoding_sequence> sequences_;
  std::vector<kernel::shared_run> found_runs_;
  std::vector<int> found_members_, found_leaves_;
  device_array<Executor, int> all_;
  staging_array<Executor, int> staged_;   // two of these
  step_shape shape_;
  std::size_t used_ = 0, wanted_ = 0, ids_ = 0, positions_ = 0, sequence_of_ = 0, first_row_ = 0, rows_ = 0, first_position_ = 0, output_rows_ = 0, pages_ = 0,
      runs_ = 0, members_ = 0, leaves_of_ = 0;
};

}  // namespace verbatim::cuda
