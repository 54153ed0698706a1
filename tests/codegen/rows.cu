#include "verbatim/kernel/copy_pages.hpp"
#include "verbatim/kernel/rms_norm.hpp"
#include "verbatim/kernel/rope_append.hpp"
#include "verbatim/kernel/rowwise.hpp"

#include "launch.cuh"

using namespace verbatim;
using namespace verbatim::kernel;

VERBATIM_ENTRY(128, embedding_params<bf16>);
VERBATIM_ENTRY(128, embedding_params<float>);
VERBATIM_ENTRY(128, add_params<bf16>);
VERBATIM_ENTRY(128, add_params<float>);
VERBATIM_ENTRY(128, silu_mul_params<bf16>);
VERBATIM_ENTRY(128, silu_mul_params<float>);
VERBATIM_ENTRY(256, rms_norm_params<bf16>);
VERBATIM_ENTRY(256, rms_norm_params<float>);
VERBATIM_ENTRY(64, rope_table_params<bf16>);
VERBATIM_ENTRY(64, rope_table_params<float>);
VERBATIM_ENTRY(128, rope_append_params<bf16>);
VERBATIM_ENTRY(128, rope_append_params<float>);
VERBATIM_ENTRY(256, copy_pages<bf16>);
VERBATIM_ENTRY(256, copy_pages<float>);
