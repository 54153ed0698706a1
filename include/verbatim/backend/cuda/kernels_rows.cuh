// Kernels between the products, and copies of pages, compiled for bf16 and f32. Compiled by nvcc in one unit of a program (launch.cuh).
#pragma once
#include "verbatim/backend/cuda/launch.cuh"
#include "verbatim/kernel/copy_pages.hpp"
#include "verbatim/kernel/rms_norm.hpp"
#include "verbatim/kernel/rope_append.hpp"
#include "verbatim/kernel/rowwise.hpp"

VERBATIM_CUDA_KERNEL(verbatim::kernel::embedding_params<verbatim::bf16>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::embedding_params<float>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::add_params<verbatim::bf16>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::add_params<float>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::silu_mul_params<verbatim::bf16>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::silu_mul_params<float>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::rms_norm_params<verbatim::bf16>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::rms_norm_params<float>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::rope_table_params<verbatim::bf16>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::rope_table_params<float>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::rope_append_params<verbatim::bf16>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::rope_append_params<float>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::copy_pages<verbatim::bf16>);
VERBATIM_CUDA_KERNEL(verbatim::kernel::copy_pages<float>);
