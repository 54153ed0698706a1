// The members of the engines that tests on a GPU share.
#include "engines.hpp"

#include "verbatim/engine/engine.ipp.hpp"

template class verbatim::engine<test_engines::gpu_llama_f32>;
template class verbatim::engine<test_engines::gpu_llama_bf16>;
template class verbatim::engine<test_engines::gpu_qwen3_bf16>;
template class verbatim::engine<test_engines::gpu_runs>;
