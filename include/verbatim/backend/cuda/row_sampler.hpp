// What a device samples and scores of a step's rows by itself: two or three kernels (kernel/sampling.hpp), whose jobs come with the step's
// tables, and the results' way back. Staging holds two steps; the results in device memory are those of the step that was enqueued last.
// Everything is allocated at construction.
#pragma once
#include <algorithm>
#include <cstddef>
#include <span>

#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/backend/cuda/step_tables.hpp"
#include "verbatim/kernel/sampling.hpp"

namespace verbatim::cuda {

template <class Executor> class row_sampler {
  template <class U> using array = device_array<Executor, U>;

 public:
  explicit row_sampler(int rows)
      : results_(std::size_t(rows)), host_results_(2 * results_.size()), cuts_(results_.size()), drawn_(kernel::piece_room(rows, Executor::processors)),
        summed_(drawn_.size()), arrived_(results_.size()) {}

  /// In device memory.
  std::size_t bytes() const noexcept { return results_.bytes() + cuts_.bytes() + drawn_.bytes() + summed_.bytes() + arrived_.bytes(); }
  /// Which kernels the rows of a step take.
  static finishing kernels_for(std::span<kernel::sampling_row const> wanted, int ids) noexcept {
    auto const any = [&](auto&& is) { return std::any_of(wanted.begin(), wanted.end(), is); };
    if (any([&](kernel::sampling_row const& w) { return kernel::truncates(w, ids); })) return finishing::cuts;
    return any([](kernel::sampling_row const& w) { return w.wanted != kernel::sampling_row::what::nothing; }) ? finishing::draws : finishing::nothing;
  }
  /// Behind what computes the logits, [rows, ids] in device memory. The launches depend on numbers of rows and ids and on the kernels alone.
  void launch(Executor& e, kernel::global<float const> logits, int ids, kernel::global<kernel::sampling_row const> wanted, finishing kernels) {
    if (kernels == finishing::nothing) return;
    int const rows = int(wanted.size);
    bool const cuts = kernels == finishing::cuts;
    kernel::sampling_work const p{logits, wanted, results_, {cuts_.data(), cuts ? cuts_.size() : 0}, drawn_, summed_, arrived_,
                                  rows, ids, kernel::pieces_for(rows, ids, Executor::processors), kernel::room_for(ids)};
    if (cuts) e.launch(kernel::sample_cuts{p});
    e.launch(kernel::sample_draws{p});
    e.launch(kernel::sample_sums{p});
  }
  /// Copies the results of the first rows of step `which` (0 or 1) to the host.
  void bring(Executor& e, int rows, int which) { e.download(of(which), results_.data(), std::size_t(rows) * sizeof(kernel::sampling_result)); }
  /// Of the step enqueued last, in device memory.
  kernel::global<kernel::sampling_result const> results() const noexcept { return results_; }
  /// Of step `which`, once it was waited for.
  void read(std::span<kernel::sampling_result> to, int which) const { std::copy_n(of(which), to.size(), to.begin()); }

 private:
  kernel::sampling_result* of(int which) const noexcept { return host_results_.data() + std::size_t(which) * results_.size(); }

  array<kernel::sampling_result> results_;
  staging_array<Executor, kernel::sampling_result> host_results_;
  array<float> cuts_;
  array<kernel::drawn_piece> drawn_;
  array<kernel::summed_piece> summed_;
  array<unsigned> arrived_;
};

}  // namespace verbatim::cuda
