#include "verbatim/kernel/convert.hpp"

#include "launch.cuh"

using namespace verbatim;
using namespace verbatim::kernel;

VERBATIM_ENTRY(256, convert_params<bf16, bf16, float>);
VERBATIM_ENTRY(256, convert_params<bf16, bf16, bf16>);
VERBATIM_ENTRY(256, convert_params<bf16, bf16, f16>);
VERBATIM_ENTRY(256, convert_params<bf16, float, float>);
VERBATIM_ENTRY(256, convert_params<bf16, float, bf16>);
VERBATIM_ENTRY(256, convert_params<bf16, float, f16>);
VERBATIM_ENTRY(256, convert_params<float, float, float>);
VERBATIM_ENTRY(256, convert_params<float, float, bf16>);
VERBATIM_ENTRY(256, convert_params<float, float, f16>);
