#include "verbatim/kernel/sampling.hpp"

#include "launch.cuh"

using namespace verbatim;
using namespace verbatim::kernel;

VERBATIM_ENTRY(512, sample_cuts);
VERBATIM_ENTRY(256, sample_draws);
VERBATIM_ENTRY(256, sample_sums);
