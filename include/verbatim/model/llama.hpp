// Llama 2, 3 and 3.x, and Mistral: the same text; the window and the RoPE scaling are numbers of the config.
#pragma once
#include "verbatim/model/block.hpp"
#include "verbatim/model/decoder.hpp"
#include "verbatim/model/gqa.hpp"
#include "verbatim/model/swiglu.hpp"

namespace verbatim {

using llama = decoder<block<gqa<>, swiglu>>;
using mistral = llama;

}  // namespace verbatim
