#include "verbatim/kernel/linear.hpp"

#include "launch.cuh"

using namespace verbatim;
using namespace verbatim::kernel;

VERBATIM_ENTRY(128, skinny_linear<bf16, bf16, 1>);
VERBATIM_ENTRY(128, skinny_linear<bf16, bf16, 4>);
VERBATIM_ENTRY(128, skinny_linear<bf16, bf16, 8>);
VERBATIM_ENTRY(128, skinny_linear<bf16, float, 8>);
VERBATIM_ENTRY(128, skinny_linear<float, float, 1>);
VERBATIM_ENTRY(128, skinny_linear<float, float, 8>);
VERBATIM_ENTRY(256, tiled_linear<bf16, bf16>);
VERBATIM_ENTRY(256, tiled_linear<bf16, float>);
VERBATIM_ENTRY(256, tiled_linear<float, float>);
