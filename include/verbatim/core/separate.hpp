// Where the bodies of functions that are no templates are compiled, and the standard backend of CPUs, which is one. By default wherever they
// are used: the library is headers and nothing else. A program of many units may compile them once instead, as this project's own programs
// do: it defines VERBATIM_SEPARATE_COMPILATION as 1 in all of its units, which have the same target flags, and in one unit or more
// includes the headers named *.ipp.hpp that it needs, each once; forgetting one is a link error. For the CPU, one unit also includes
// backend/cpu/kernels_separate.hpp and writes VERBATIM_CPU_KERNELS(); in namespace verbatim. engine.ipp.hpp and openai_front.ipp.hpp hold
// templates: each unit that writes `template class verbatim::engine<P>;`, or `template class verbatim::openai_front<Text, Chat>;` (one of
// both, for each type), includes them; what of the front is no template is in exposure.ipp.hpp, which one unit includes beside, however
// many fronts there are.
#pragma once

#if VERBATIM_SEPARATE_COMPILATION
#define VERBATIM_BODY
#else
#define VERBATIM_BODY inline
#endif
