// How a body becomes a __global__ function: one template, its launch bounds from the kernel's own block.
#pragma once
#include "verbatim/simt/cuda_grid.cuh"

namespace verbatim::codegen {
template <int Threads, class Params> __global__ void __launch_bounds__(Threads) entry(Params const p) { run(simt::cuda_grid{}, p); }
/// For kernels with many sums per thread: without a number of blocks ptxas aims at 64 registers of its own accord, and spills.
template <int Threads, class Params> __global__ void __launch_bounds__(Threads, 1) wide_entry(Params const p) { run(simt::cuda_grid{}, p); }
}  // namespace verbatim::codegen
#define VERBATIM_ENTRY(threads, ...) template __global__ void verbatim::codegen::entry<threads, __VA_ARGS__>(__VA_ARGS__ const)
#define VERBATIM_WIDE_ENTRY(threads, ...) template __global__ void verbatim::codegen::wide_entry<threads, __VA_ARGS__>(__VA_ARGS__ const)
