// Configurations and checkpoints, compiled once for all of this project's programs (verbatim/core/separate.hpp).
#include "verbatim/weights/checkpoint.ipp.hpp"
#include "verbatim/weights/config_json.ipp.hpp"
#include "verbatim/weights/expected.ipp.hpp"
#include "verbatim/weights/generation_json.ipp.hpp"
#include "verbatim/weights/random_weights.ipp.hpp"
#include "verbatim/weights/safetensors.ipp.hpp"
#include "verbatim/weights/staged.ipp.hpp"
