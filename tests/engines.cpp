// The members of the engines that the conformance tests share, those of CPUs.
#include "engines.hpp"

#include "verbatim/engine/engine.ipp.hpp"

template class verbatim::engine<test_engines::small_llama>;
template class verbatim::engine<test_engines::small_qwen3>;
template class verbatim::engine<test_engines::other_llama>;
