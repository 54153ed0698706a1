// The engines of tests on a GPU, beside those of the example programs; instantiated once, in engines.cpp.
#pragma once
#include "../engines.hpp"
#include "verbatim/backend/cuda/gpu.hpp"

namespace test_engines {

using gpu_llama_f32 = on_device<verbatim::cuda::sm90, float>;
using gpu_llama_bf16 = on_device<verbatim::cuda::sm90, verbatim::bf16>;
using gpu_qwen3_bf16 = on_device<verbatim::cuda::sm90, verbatim::bf16, verbatim::qwen3>;
using gpu_runs = on_device<verbatim::cuda::sm90, float, verbatim::llama, verbatim::contiguous<16>>;

}  // namespace test_engines

extern template class verbatim::engine<test_engines::gpu_llama_f32>;
extern template class verbatim::engine<test_engines::gpu_llama_bf16>;
extern template class verbatim::engine<test_engines::gpu_qwen3_bf16>;
extern template class verbatim::engine<test_engines::gpu_runs>;
