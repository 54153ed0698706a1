// Products by cuBLASLt, which is loaded at run time: programs need it only where a pipeline's linear part is library_linear, and for a
// GPU's rates. Include in one translation unit of a program (verbatim_cuda_kernels does).
#pragma once
#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/backend/cuda/library_linear.hpp"
#include "verbatim/core/error.hpp"

namespace verbatim::cuda {

namespace detail {

/// A product's description, and how it is computed.
struct library_plan {
  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t w = nullptr, x = nullptr, y = nullptr;
  cublasLtMatmulHeuristicResult_t found{};
  bool ready = false;
};

/// One for the process. Never destroyed: CUDA may be gone before statics are.
class library {
 public:
  static library& get() {
    static library* const one = new library;
    return *one;
  }

  /// Throws device.12.
  void open(int device) {
    std::lock_guard const lock(mutex_);
    if (!complete_) throw error("device", 12, "cuBLASLt cannot be loaded (libcublasLt.so.13 or .12)");
    if (cublasStatus_t const status = handle_of(device).status; !good(status))
      throw error("device", 12, "cuBLASLt does not start: its status is " + std::to_string(int(status)));
  }

  /// On a stream of the current device, whose ordinal is given too.
  template <class Out> cudaError_t multiply(int device, cudaStream_t stream, library_product<Out> const& p) {
    std::lock_guard const lock(mutex_);
    if (!complete_ || !good(handle_of(device).status)) return cudaErrorNotSupported;
    cublasLtHandle_t const handle = handle_of(device).handle;
    auto const [at, is_new] = plans_.try_emplace(std::array{device, p.rows, p.outputs, p.k, int(sizeof(Out)), int(p.bias.size > 0), int(p.residual.size > 0)});
    library_plan& plan = at->second;
    if (is_new) plan.ready = describe(plan, p) && choose(handle, plan, p.k, p.workspace.size * sizeof(float));
    if (!plan.ready) return cudaErrorNotSupported;
    if (p.bias.size > 0 && !set_bias(plan, p)) return cudaErrorInvalidValue;
    float const one = 1, zero = 0;
    bool const adds = p.residual.size > 0;
    cublasStatus_t const status = multiply_(handle, plan.product, &one, p.w.data, plan.w, p.x.data, plan.x, adds ? &one : &zero, adds ? p.residual.data : p.y.data,
                                            plan.y, p.y.data, plan.y, &plan.found.algo, p.workspace.data, p.workspace.size * sizeof(float), stream);
    if (good(status)) return cudaSuccess;
    cudaError_t const cause = cudaGetLastError();
    return cause != cudaSuccess ? cause : cudaErrorUnknown;
  }

 private:
  library() {
    for (char const* name : {"libcublasLt.so.13", "libcublasLt.so.12"})
      if (!library_) library_ = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library_) return;
    complete_ = find(create_, "cublasLtCreate") && find(describe_, "cublasLtMatmulDescCreate") && find(set_, "cublasLtMatmulDescSetAttribute") &&
                find(lay_out_, "cublasLtMatrixLayoutCreate") && find(prefer_, "cublasLtMatmulPreferenceCreate") &&
                find(set_preference_, "cublasLtMatmulPreferenceSetAttribute") && find(end_preference_, "cublasLtMatmulPreferenceDestroy") &&
                find(choose_, "cublasLtMatmulAlgoGetHeuristic") && find(multiply_, "cublasLtMatmul");
  }
  template <class F> bool find(F*& f, char const* name) { return (f = reinterpret_cast<F*>(::dlsym(library_, name))) != nullptr; }

  struct started {
    cublasLtHandle_t handle = nullptr;
    cublasStatus_t status = CUBLAS_STATUS_NOT_INITIALIZED;
  };
  /// Of the current device: made when it is first asked for, and again where that failed.
  started const& handle_of(int device) {
    started& s = handles_[device];
    if (!good(s.status)) s.status = create_(&s.handle);
    return s;
  }

  static bool good(cublasStatus_t s) { return s == CUBLAS_STATUS_SUCCESS; }
  template <class T> bool set(library_plan& plan, cublasLtMatmulDescAttributes_t what, T const& value) { return good(set_(plan.product, what, &value, sizeof value)); }

  /// The library's matrices are columns: y^T [outputs, rows] = (w as [k, outputs])^T times x as [k, rows].
  template <class Out> bool describe(library_plan& plan, library_product<Out> const& p) {
    cudaDataType_t const out = sizeof(Out) == 2 ? CUDA_R_16BF : CUDA_R_32F;
    std::uint64_t const rows = std::uint64_t(p.rows), outputs = std::uint64_t(p.outputs), k = std::uint64_t(p.k);
    return good(describe_(&plan.product, CUBLAS_COMPUTE_32F, CUDA_R_32F)) && set(plan, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T) &&
           (p.bias.size == 0 || (set(plan, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS) && set_bias(plan, p))) &&
           good(lay_out_(&plan.w, CUDA_R_16BF, k, outputs, std::int64_t(k))) && good(lay_out_(&plan.x, CUDA_R_16BF, k, rows, std::int64_t(k))) &&
           good(lay_out_(&plan.y, out, outputs, rows, std::int64_t(outputs)));
  }
  template <class Out> bool set_bias(library_plan& plan, library_product<Out> const& p) {
    return set(plan, CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<void const*>(p.bias.data));
  }

  bool choose(cublasLtHandle_t handle, library_plan& plan, int k, std::size_t workspace) {
    // Partial sums are never added in place or in bf16. Some versions are reported to lose the tail of a split k that their blocks do not divide.
    std::uint32_t const alignment = 16, schemes = k % 128 == 0 ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE : CUBLASLT_REDUCTION_SCHEME_NONE;
    cublasLtMatmulPreference_t wish = nullptr;
    auto const ask = [&](cublasLtMatmulPreferenceAttributes_t what, auto const& value) { return good(set_preference_(wish, what, &value, sizeof value)); };
    int count = 0;
    bool const found = good(prefer_(&wish)) && ask(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t(workspace)) &&
                       ask(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, schemes) &&
                       ask(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment) && ask(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment) &&
                       ask(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment) && ask(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment) &&
                       good(choose_(handle, plan.product, plan.w, plan.x, plan.y, plan.y, wish, 1, &plan.found, &count)) && count == 1 && good(plan.found.state);
    if (wish) end_preference_(wish);
    return found;
  }

  void* library_ = nullptr;
  bool complete_ = false;
  std::mutex mutex_;
  std::map<int, started> handles_;   // by device
  std::map<std::array<int, 7>, library_plan> plans_;
  decltype(::cublasLtCreate)* create_ = nullptr;
  decltype(::cublasLtMatmulDescCreate)* describe_ = nullptr;
  decltype(::cublasLtMatmulDescSetAttribute)* set_ = nullptr;
  decltype(::cublasLtMatrixLayoutCreate)* lay_out_ = nullptr;
  decltype(::cublasLtMatmulPreferenceCreate)* prefer_ = nullptr;
  decltype(::cublasLtMatmulPreferenceDestroy)* end_preference_ = nullptr;
  decltype(::cublasLtMatmulPreferenceSetAttribute)* set_preference_ = nullptr;
  decltype(::cublasLtMatmulAlgoGetHeuristic)* choose_ = nullptr;
  decltype(::cublasLtMatmul)* multiply_ = nullptr;
};

}  // namespace detail

void open_library() {
  int device = 0;
  static_cast<void>(cudaGetDevice(&device));   // where there is none, the library says so
  detail::library::get().open(device);
}
template <> int enqueue(void* stream, int device, library_product<bf16> const& p) noexcept { return detail::library::get().multiply(device, static_cast<cudaStream_t>(stream), p); }
template <> int enqueue(void* stream, int device, library_product<float> const& p) noexcept { return detail::library::get().multiply(device, static_cast<cudaStream_t>(stream), p); }

}  // namespace verbatim::cuda
