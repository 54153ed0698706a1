// The logarithm of sampling (numerics/log.hpp), under the name that its files call.
#pragma once
#include "verbatim/numerics/log.hpp"

namespace verbatim::detail {
using math::log;
}  // namespace verbatim::detail
