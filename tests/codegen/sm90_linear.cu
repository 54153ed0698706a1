// contains: wgmma.mma_async, cp.async.bulk, mbarrier.try_wait, griddepcontrol
#include "verbatim/kernel/sm90/merge.hpp"

#include "launch.cuh"

using namespace verbatim;
using namespace verbatim::kernel::sm90;

VERBATIM_ENTRY(160, linear<bf16, 8>);
VERBATIM_ENTRY(160, linear<bf16, 16>);
VERBATIM_ENTRY(160, linear<bf16, 32>);
VERBATIM_ENTRY(160, linear<bf16, 64>);
VERBATIM_ENTRY(160, linear<float, 8>);
VERBATIM_ENTRY(160, linear<float, 16>);
VERBATIM_ENTRY(160, linear<float, 32>);
VERBATIM_ENTRY(160, linear<float, 64>);
VERBATIM_ENTRY(128, merge_leaves<bf16>);
VERBATIM_ENTRY(128, merge_leaves<float>);
VERBATIM_ENTRY(256, merge_norm);
VERBATIM_ENTRY(256, tile_weights);
VERBATIM_ENTRY(256, untile_weights);
VERBATIM_ENTRY(256, tile_activations);
VERBATIM_ENTRY(128, tiled_embedding);
