// How cuBLASLt computes products, chosen once for a kind of product and a range of rows: 1, 2, 3 to 4, 5 to 8, and so on to powers of two.
// The algorithms of a range are the first few that the library's heuristic names for its most rows and that the library accepts for its
// fewest rows too, in the workspace given. A product takes the first of them; where the library refuses that for a number of rows in
// between, the next: by its shape alone, so always the same one. prepare() chooses for all ranges up to a step's rows, when an engine is made;
// after that a product is a few attributes and the call, and nothing is allocated here. A product of a kind that nobody prepared is planned
// when it first comes (benchmarks). What fails leaves nothing behind: whoever asks next has it tried again, though an engine whose launch
// failed asks no more (gpu.hpp). Thread-safe: products wait for one another.
#pragma once
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>

#include "verbatim/backend/cuda/library_functions.cuh"
#include "verbatim/backend/cuda/library_linear.hpp"

namespace verbatim::cuda::detail {

class library_plans {
 public:
  explicit library_plans(library_functions const& f) : f_(f) {}

  /// Starts the library on the current device, whose ordinal is given.
  cublasStatus_t open(int device) {
    std::lock_guard const lock(mutex_);
    return start(device);
  }
  /// Chooses for up to p.most_rows rows. The first status that is not good ends it; what was chosen before stays.
  cublasStatus_t prepare(int device, product_kind const& p, std::size_t workspace) {
    std::lock_guard const lock(mutex_);
    kind const of{device, p.outputs, p.k, p.f32, p.bias};
    for (int range = 0; range <= range_of(p.most_rows); ++range)
      if (found const planned = plan_for(device, of, range, workspace); !planned.at) return planned.status;
    return CUBLAS_STATUS_SUCCESS;
  }
  /// On a stream of the current device, whose ordinal is given too.
  template <class Out> cublasStatus_t multiply(int device, cudaStream_t stream, library_product<Out> const& p) {
    std::lock_guard const lock(mutex_);
    if (p.rows < 1) return CUBLAS_STATUS_SUCCESS;
    int const range = range_of(p.rows);
    std::size_t const workspace = p.workspace.size * sizeof(float);
    kind const of{device, p.outputs, p.k, sizeof(Out) == sizeof(float), p.bias.size > 0};
    found const planned = plan_for(device, of, range, workspace);
    if (!planned.at) return planned.status;
    plan& how = *planned.at;
    cublasStatus_t status = set_rows(how, p.rows);
    if (p.bias.size > 0) status = then(status, [&] { return set(how, CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<void const*>(p.bias.data)); });
    float const one = 1, zero = 0;
    bool const adds = p.residual.size > 0;
    return then(status, [&] {
      cublasStatus_t done = CUBLAS_STATUS_NOT_SUPPORTED;
      for (cublasLtMatmulAlgo_t const& algorithm : how.algorithms[std::size_t(range)].all()) {
        done = f_.multiply(handles_.find(device)->second.get(), how.product.get(), &one, p.w.data, how.w.get(), p.x.data, how.x.get(), adds ? &one : &zero,
                           adds ? p.residual.data : p.y.data, how.y.get(), p.y.data, how.y.get(), &algorithm, p.workspace.data, workspace, stream);
        if (done != CUBLAS_STATUS_NOT_SUPPORTED) break;
      }
      return done;
    });
  }

 private:
  /// Products that differ in rows alone. A residual is nothing that the library chooses by.
  using kind = std::array<int, 5>;   // device, outputs, k, whether y is f32, whether there is a bias
  /// In the order in which products try them; none where nobody has chosen yet.
  struct choice {
    std::array<cublasLtMatmulAlgo_t, 4> first{};
    std::size_t count = 0;
    bool full() const noexcept { return count == first.size(); }
    void add(cublasLtMatmulAlgo_t const& a) noexcept { first[count++] = a; }
    std::span<cublasLtMatmulAlgo_t const> all() const noexcept { return {first.data(), count}; }
  };
  struct plan {
    library_owned<cublasLtMatmulDescOpaque_t> product{};
    library_owned<cublasLtMatrixLayoutOpaque_t> w{}, x{}, y{};
    std::array<choice, 31> algorithms{};   // by range
  };
  struct found {
    cublasStatus_t status;
    plan* at;   ///< null where the status is not good
  };
  static constexpr int range_of(int rows) { return int(std::bit_width(unsigned(rows - 1))); }

  cublasStatus_t start(int device) {
    auto const [at, is_new] = handles_.try_emplace(device);
    return at->second ? CUBLAS_STATUS_SUCCESS : make(at->second, f_.create, f_.destroy);
  }
  found plan_for(int device, kind const& of, int range, std::size_t workspace) {
    if (range > 30) return {CUBLAS_STATUS_NOT_SUPPORTED, nullptr};
    if (auto const at = plans_.find(of); at != plans_.end() && at->second.algorithms[std::size_t(range)].count > 0) return {CUBLAS_STATUS_SUCCESS, &at->second};
    if (cublasStatus_t const s = start(device); !good(s)) return {s, nullptr};
    auto const [at, is_new] = plans_.try_emplace(of);
    cublasStatus_t status = is_new ? describe(at->second, of) : CUBLAS_STATUS_SUCCESS;
    status = then(status, [&] { return choose(handles_.find(device)->second.get(), at->second, of[2], range, workspace); });
    if (good(status)) return {status, &at->second};
    if (is_new) plans_.erase(at);
    return {status, nullptr};
  }

  template <class T> cublasStatus_t set(plan& p, cublasLtMatmulDescAttributes_t what, T const& value) { return f_.set(p.product.get(), what, &value, sizeof value); }
  cublasStatus_t set_rows(plan& p, int rows) {
    std::uint64_t const n = std::uint64_t(rows);
    return then(f_.set_layout(p.x.get(), CUBLASLT_MATRIX_LAYOUT_COLS, &n, sizeof n), [&] { return f_.set_layout(p.y.get(), CUBLASLT_MATRIX_LAYOUT_COLS, &n, sizeof n); });
  }
  /// The library's matrices are columns: y^T [outputs, rows] = (w as [k, outputs])^T times x as [k, rows].
  cublasStatus_t describe(plan& p, kind const& of) {
    std::uint64_t const outputs = std::uint64_t(of[1]), k = std::uint64_t(of[2]), rows = 1;
    auto const lay_out = [&](auto& to, cudaDataType_t type, std::uint64_t columns_of, std::uint64_t columns) {
      return make(to, f_.lay_out, f_.end_layout, type, columns_of, columns, std::int64_t(columns_of));
    };
    cublasStatus_t s = make(p.product, f_.describe, f_.end_description, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    s = then(s, [&] { return set(p, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T); });
    if (of[4]) {
      s = then(s, [&] { return set(p, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS); });
      s = then(s, [&] { return set(p, CUBLASLT_MATMUL_DESC_BIAS_POINTER, reinterpret_cast<void const*>(std::uintptr_t(256))); });   // to choose by; never read
    }
    s = then(s, [&] { return lay_out(p.w, CUDA_R_16BF, k, outputs); });
    s = then(s, [&] { return lay_out(p.x, CUDA_R_16BF, k, rows); });
    return then(s, [&] { return lay_out(p.y, of[3] ? CUDA_R_32F : CUDA_R_16BF, outputs, rows); });
  }

  cublasStatus_t choose(cublasLtHandle_t handle, plan& p, int k, int range, std::size_t workspace) {
    library_owned<cublasLtMatmulPreferenceOpaque_t> wish;
    auto const ask = [&](cublasStatus_t s, cublasLtMatmulPreferenceAttributes_t what, auto const& value) {
      return then(s, [&] { return f_.set_preference(wish.get(), what, &value, sizeof value); });
    };
    // Partial sums are never added in place or in bf16. Some versions are reported to lose the tail of a split k that their blocks do not divide.
    std::uint32_t const schemes = k % 128 == 0 ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE : CUBLASLT_REDUCTION_SCHEME_NONE;
    cublasStatus_t s = make(wish, f_.prefer, f_.end_preference);
    s = ask(s, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t(workspace));
    s = ask(s, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, schemes);
    for (auto what : {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
                      CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      s = ask(s, what, std::uint32_t(16));
    std::array<cublasLtMatmulHeuristicResult_t, 8> named{};
    int const most = 1 << range, fewest = most / 2 + 1;
    int count = 0;
    s = then(s, [&] { return set_rows(p, most); });
    s = then(s, [&] { return f_.choose(handle, p.product.get(), p.w.get(), p.x.get(), p.y.get(), p.y.get(), wish.get(), int(named.size()), named.data(), &count); });
    if (!good(s)) return s;
    choice& chosen = p.algorithms[std::size_t(range)];
    for (auto const& n : std::span(named).first(std::size_t(count)))
      if (!chosen.full() && good(n.state) && takes(handle, p, most, n.algo, workspace) && takes(handle, p, fewest, n.algo, workspace)) chosen.add(n.algo);
    return chosen.count > 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
  }
  bool takes(cublasLtHandle_t handle, plan& p, int rows, cublasLtMatmulAlgo_t const& algorithm, std::size_t workspace) {
    cublasLtMatmulHeuristicResult_t seen{};
    return good(set_rows(p, rows)) && good(f_.check(handle, p.product.get(), p.w.get(), p.x.get(), p.y.get(), p.y.get(), &algorithm, &seen)) &&
           seen.workspaceSize <= workspace;
  }

  library_functions const& f_;
  std::mutex mutex_;
  std::map<int, library_owned<cublasLtContext>> handles_;   // by device
  std::map<kind, plan> plans_;
};

}  // namespace verbatim::cuda::detail
