// The umbrella: everything that an in-process generator or a benchmark needs, engine members included, no sockets.
// A server adds verbatim/front/serve.hpp (Boost). Programs with several pipelines include engine/engine.hpp instead and
// instantiate each engine once (verbatim_instantiate in the CMake package).
#pragma once
#include "verbatim/cache/contiguous.hpp"
#include "verbatim/cache/paged.hpp"
#include "verbatim/engine/engine.hpp"
#include "verbatim/engine/engine.ipp.hpp"
#include "verbatim/engine/with_checkpoint.hpp"
#include "verbatim/front/generate.hpp"
#include "verbatim/front/measure.hpp"
#include "verbatim/sampling/greedy.hpp"
#include "verbatim/weights/borrowed.hpp"
