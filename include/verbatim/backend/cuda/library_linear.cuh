// Products by cuBLASLt, which is loaded at run time: programs need it only where a pipeline's linear part is library_linear, and for a
// GPU's rates. Include in one translation unit of a program (verbatim_cuda_kernels does); where cublasLt.h is not, no_library_linear.cuh.
#pragma once
#include <new>
#include <span>
#include <string>

#include <cuda_runtime_api.h>

#include "verbatim/backend/cuda/library_plans.cuh"
#include "verbatim/core/error.hpp"

namespace verbatim::cuda {

namespace detail {

/// One for the process. Never destroyed: CUDA may be gone before statics are.
struct library {
  static library& get() {
    static library* const one = new library;
    return *one;
  }
  library_functions functions{};
  bool const complete = functions.load();
  library_plans plans{functions};
};

inline int current_device() {
  int device = 0;
  static_cast<void>(cudaGetDevice(&device));   // where there is none, the library says so
  return device;
}

template <class Out> cudaError_t multiply(int device, void* stream, library_product<Out> const& p) noexcept {
  library& l = library::get();
  if (!l.complete) return cudaErrorNotSupported;
  cublasStatus_t status = CUBLAS_STATUS_ALLOC_FAILED;
  try {
    status = l.plans.multiply(device, static_cast<cudaStream_t>(stream), p);
  } catch (std::bad_alloc const&) {   // of a plan that nobody prepared
  }
  if (good(status)) return cudaSuccess;
  if (cudaError_t const cause = cudaGetLastError(); cause != cudaSuccess) return cause;
  switch (status) {
    case CUBLAS_STATUS_ALLOC_FAILED: return cudaErrorMemoryAllocation;
    case CUBLAS_STATUS_INVALID_VALUE: return cudaErrorInvalidValue;
    case CUBLAS_STATUS_NOT_SUPPORTED: return cudaErrorNotSupported;
    default: return cudaErrorUnknown;
  }
}

}  // namespace detail

void open_library() {
  detail::library& l = detail::library::get();
  if (!l.complete) throw error("device", 12, "cuBLASLt cannot be loaded (libcublasLt.so.13 or .12)");
  if (cublasStatus_t const status = l.plans.open(detail::current_device()); !detail::good(status))
    throw error("device", 12, "cuBLASLt does not start: its status is " + std::to_string(int(status)));
}
void prepare_library(std::span<product_kind const> products) {
  open_library();
  int const device = detail::current_device();
  for (product_kind const& p : products)
    if (cublasStatus_t const status = detail::library::get().plans.prepare(device, p, library_linear::policy::workspace_bytes); !detail::good(status))
      throw error("device", 12, "cuBLASLt has no product of up to " + std::to_string(p.most_rows) + " rows by [" + std::to_string(p.outputs) + ", " +
                                    std::to_string(p.k) +
                                    "]: its status is " + std::to_string(int(status)));
}
template <> int enqueue(void* stream, int device, library_product<bf16> const& p) noexcept { return detail::multiply(device, stream, p); }
template <> int enqueue(void* stream, int device, library_product<float> const& p) noexcept { return detail::multiply(device, stream, p); }

}  // namespace verbatim::cuda
