// In library_linear.cuh's place where CUDA came without cublasLt.h: programs link, and a pipeline whose linear part is library_linear says
// at construction that this program has no cuBLASLt.
#pragma once
#include <span>

#include <cuda_runtime_api.h>

#include "verbatim/backend/cuda/library_linear.hpp"
#include "verbatim/core/error.hpp"

namespace verbatim::cuda {

void open_library() { throw error("device", 12, "this program was built without cuBLASLt: there was no cublasLt.h"); }
void prepare_library(std::span<product_kind const>) { open_library(); }
template <> int enqueue(void*, int, library_product<bf16> const&) noexcept { return cudaErrorNotSupported; }
template <> int enqueue(void*, int, library_product<float> const&) noexcept { return cudaErrorNotSupported; }

}  // namespace verbatim::cuda
