// The pipelines of the programs here: every supported architecture in bf16 and f32 on this machine's CPU and, where the build has
// nvcc, in bf16 on a GPU. Each engine is instantiated once, in a translation unit of its own (verbatim_instantiate in examples/CMakeLists.txt).
#pragma once
#include "verbatim/backend/cuda/device.hpp"
#include "verbatim/engine/engine.hpp"
#include "verbatim/engine/with_checkpoint.hpp"

namespace examples {

// Parts are named members: what is not overridden is the library's default for this device and model.
template <class Model, class T, class Device = verbatim::cpu::native> struct standard : verbatim::pipeline<Device, Model> {
  using dtype = T;
  using cache = verbatim::paged<64>;
  using sampler = verbatim::full_sampler;   // every stage that an OpenAI-style request can ask for
};

using llama_bf16 = standard<verbatim::llama, verbatim::bf16>;
using llama_f32 = standard<verbatim::llama, float>;
using qwen2_bf16 = standard<verbatim::qwen2, verbatim::bf16>;
using qwen2_f32 = standard<verbatim::qwen2, float>;
using qwen3_bf16 = standard<verbatim::qwen3, verbatim::bf16>;
using qwen3_f32 = standard<verbatim::qwen3, float>;

using llama_bf16_gpu = standard<verbatim::llama, verbatim::bf16, verbatim::cuda::sm90>;
using qwen2_bf16_gpu = standard<verbatim::qwen2, verbatim::bf16, verbatim::cuda::sm90>;
using qwen3_bf16_gpu = standard<verbatim::qwen3, verbatim::bf16, verbatim::cuda::sm90>;

}  // namespace examples

extern template class verbatim::engine<examples::llama_bf16>;
extern template class verbatim::engine<examples::llama_f32>;
extern template class verbatim::engine<examples::qwen2_bf16>;
extern template class verbatim::engine<examples::qwen2_f32>;
extern template class verbatim::engine<examples::qwen3_bf16>;
extern template class verbatim::engine<examples::qwen3_f32>;
#if VERBATIM_WITH_CUDA
extern template class verbatim::engine<examples::llama_bf16_gpu>;
extern template class verbatim::engine<examples::qwen2_bf16_gpu>;
extern template class verbatim::engine<examples::qwen3_bf16_gpu>;
#endif
