// The pipelines of the program: every supported architecture in bf16 and f32 on this machine's CPU. Each engine is
// instantiated in a translation unit of its own (examples/CMakeLists.txt), never in the subcommands.
#pragma once
#include "verbatim/engine/engine.hpp"
#include "verbatim/engine/with_checkpoint.hpp"

namespace cli {

template <class Model, class T> struct standard : verbatim::pipeline<verbatim::cpu::native, Model> {
  using dtype = T;
};

using llama_bf16 = standard<verbatim::llama, verbatim::bf16>;
using llama_f32 = standard<verbatim::llama, float>;
using qwen2_bf16 = standard<verbatim::qwen2, verbatim::bf16>;
using qwen2_f32 = standard<verbatim::qwen2, float>;
using qwen3_bf16 = standard<verbatim::qwen3, verbatim::bf16>;
using qwen3_f32 = standard<verbatim::qwen3, float>;

}  // namespace cli

extern template class verbatim::engine<cli::llama_bf16>;
extern template class verbatim::engine<cli::llama_f32>;
extern template class verbatim::engine<cli::qwen2_bf16>;
extern template class verbatim::engine<cli::qwen2_f32>;
extern template class verbatim::engine<cli::qwen3_bf16>;
extern template class verbatim::engine<cli::qwen3_f32>;
