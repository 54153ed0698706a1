// What a device samples and scores of a step's rows by itself: the jobs' way there, three kernels (kernel/sampling.hpp), the results' way
// back. Staging holds two steps, so that the host may write the next one's jobs; the results in device memory are those of the step that
// was enqueued last. Everything is allocated at construction.
#pragma once
#include <algorithm>
#include <cstddef>
#include <span>

#include "verbatim/backend/cuda/memory.hpp"
#include "verbatim/kernel/sampling.hpp"

namespace verbatim::cuda {

template <class Executor> class row_sampler {
  template <class U> using array = device_array<Executor, U>;

 public:
  explicit row_sampler(int rows)
      : wanted_(std::size_t(rows)), results_(wanted_.size()), host_wanted_(2 * wanted_.size()), host_results_(2 * wanted_.size()), cuts_(wanted_.size()),
        drawn_(kernel::piece_room(rows, Executor::processors)), summed_(drawn_.size()), arrived_(wanted_.size()) {}

  /// Of step `which` (0 or 1), behind what computes its logits, [rows, ids] in device memory.
  void enqueue(Executor& e, kernel::global<float> logits, int ids, std::span<kernel::sampling_row const> wanted, int which) {
    std::size_t const place = std::size_t(which) * wanted_.size();
    std::copy(wanted.begin(), wanted.end(), host_wanted_.data() + place);
    e.upload(wanted_.data(), host_wanted_.data() + place, wanted.size() * sizeof(kernel::sampling_row));
    int const rows = int(wanted.size());
    bool const cuts = std::any_of(wanted.begin(), wanted.end(), [&](kernel::sampling_row const& w) { return kernel::truncates(w, ids); });
    kernel::sampling_work const p{logits, wanted_, results_, {cuts_.data(), cuts ? cuts_.size() : 0}, drawn_, summed_, arrived_,
                                  rows, ids, kernel::pieces_for(rows, ids, Executor::processors), kernel::room_for(ids)};
    if (cuts) e.launch(kernel::sample_cuts{p});
    e.launch(kernel::sample_draws{p});
    e.launch(kernel::sample_sums{p});
    e.download(host_results_.data() + place, results_.data(), wanted.size() * sizeof(kernel::sampling_result));
  }
  /// Of the step enqueued last, in device memory.
  kernel::global<kernel::sampling_result const> results() const noexcept { return results_; }
  /// Of step `which`, once it was waited for.
  void read(std::span<kernel::sampling_result> to, int which) const {
    std::copy_n(host_results_.data() + std::size_t(which) * wanted_.size(), to.size(), to.begin());
  }

 private:
  array<kernel::sampling_row> wanted_;
  array<kernel::sampling_result> results_;
  staging_array<Executor, kernel::sampling_row> host_wanted_;
  staging_array<Executor, kernel::sampling_result> host_results_;
  array<float> cuts_;
  array<kernel::drawn_piece> drawn_;
  array<kernel::summed_piece> summed_;
  array<unsigned> arrived_;
};

}  // namespace verbatim::cuda
