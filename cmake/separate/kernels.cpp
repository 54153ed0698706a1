// The CPU's backend, compiled once for all of this project's programs (verbatim/backend/cpu/kernels_separate.hpp).
#include "verbatim/backend/cpu/kernels_separate.hpp"

namespace verbatim {

VERBATIM_CPU_KERNELS();

}  // namespace verbatim
