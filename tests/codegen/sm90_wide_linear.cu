// contains: wgmma.mma_async, cp.async.bulk, mbarrier.try_wait, griddepcontrol, setmaxnreg
#include "verbatim/kernel/sm90/linear.hpp"

#include "launch.cuh"

using namespace verbatim;
using namespace verbatim::kernel::sm90;

VERBATIM_ENTRY(384, linear<bf16, 64, 2>);
VERBATIM_ENTRY(384, linear<float, 64, 2>);
VERBATIM_ENTRY(384, linear<bf16, 128, 2>);
VERBATIM_ENTRY(384, linear<float, 128, 2>);
VERBATIM_ENTRY(160, linear<bf16, 128>);
VERBATIM_ENTRY(160, linear<float, 128>);
