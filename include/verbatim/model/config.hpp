// The numbers of a checkpoint are plain data that backends size themselves by, so they live in core.
#pragma once
#include "verbatim/core/model_config.hpp"
