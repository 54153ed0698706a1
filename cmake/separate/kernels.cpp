// The CPU's kernels, compiled once for all of this project's programs (verbatim/backend/cpu/kernels_separate.hpp).
#include "verbatim/backend/cpu/kernels_separate.hpp"

namespace verbatim::cpu {

VERBATIM_CPU_KERNELS();

}  // namespace verbatim::cpu
