// registers: 255
// contains: wgmma.mma_async, cp.async.bulk, mbarrier.try_wait, griddepcontrol, setmaxnreg
#include "verbatim/kernel/sm90/linear.hpp"

#include "verbatim/simt/cuda_sm90.cuh"
#include "launch.cuh"

using namespace verbatim;
using namespace verbatim::kernel::sm90;

namespace verbatim::codegen {
template <int Threads, class Params> __global__ void __launch_bounds__(Threads, 1) hopper_entry(Params const p) { run(simt::cuda_sm90_grid{}, p); }
}  // namespace verbatim::codegen
#define VERBATIM_HOPPER_ENTRY(threads, ...) template __global__ void verbatim::codegen::hopper_entry<threads, __VA_ARGS__>(__VA_ARGS__ const)

VERBATIM_HOPPER_ENTRY(160, linear<bf16, 8>);
VERBATIM_HOPPER_ENTRY(160, linear<bf16, 16>);
VERBATIM_HOPPER_ENTRY(160, linear<bf16, 32>);
VERBATIM_HOPPER_ENTRY(160, linear<bf16, 64>);
VERBATIM_HOPPER_ENTRY(160, linear<float, 8>);
VERBATIM_HOPPER_ENTRY(160, linear<float, 64>);
VERBATIM_HOPPER_ENTRY(384, linear<bf16, 64, 2>);
VERBATIM_HOPPER_ENTRY(384, linear<bf16, 128, 2>);
VERBATIM_HOPPER_ENTRY(384, linear<float, 128, 2>);
VERBATIM_HOPPER_ENTRY(160, linear<bf16, 128>);
VERBATIM_HOPPER_ENTRY(128, merge_leaves<bf16>);
VERBATIM_HOPPER_ENTRY(128, merge_leaves<float>);
VERBATIM_HOPPER_ENTRY(256, tile_weights);
VERBATIM_HOPPER_ENTRY(256, untile_weights);
VERBATIM_HOPPER_ENTRY(256, tile_activations);
