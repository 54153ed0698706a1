// Qwen2 and 2.5 (biases on q, k and v) and Qwen3 (norms on q and k).
#pragma once
#include "verbatim/model/block.hpp"
#include "verbatim/model/decoder.hpp"
#include "verbatim/model/gqa.hpp"
#include "verbatim/model/swiglu.hpp"

namespace verbatim {

using qwen2 = decoder<block<gqa<qkv_bias>, swiglu>>;
using qwen3 = decoder<block<gqa<qk_norm>, swiglu>>;

}  // namespace verbatim
