// registers: 88
#include "verbatim/kernel/sampling.hpp"

#include "launch.cuh"

using namespace verbatim;
using namespace verbatim::kernel;

VERBATIM_ENTRY(512, sample_rows);
