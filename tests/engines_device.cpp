// The members of the engines that the conformance tests share, those of CUDA devices under the host executor.
#include "engines.hpp"
#include "../cmake/separate/emulated/kernels.hpp"

#include "verbatim/engine/engine.ipp.hpp"

template class verbatim::engine<test_engines::emulated_llama_f32>;
template class verbatim::engine<test_engines::emulated_llama_bf16>;
template class verbatim::engine<test_engines::emulated_runs>;
