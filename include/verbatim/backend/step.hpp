// One step of the model as plain data: which tokens run, where their KV lives, which rows need logits.
#pragma once
#include <cstdint>

#include "verbatim/core/token.hpp"

namespace verbatim {

/// Consecutive tokens of one sequence within a step. Prefill and decode are the same thing.
struct slice {
  int first_row;          ///< row of its first token in the step
  int rows;               ///< tokens this step, >= 1
  int first_position;     ///< absolute position of its first token = tokens already in the cache
  int const* pages;       ///< page ids of the sequence, at least ceil((first_position + rows) / page) entries
};

/// A packed step. All pointers are device-accessible and outlive the call.
struct step {
  int tokens;             ///< rows in all
  token const* ids;       ///< [tokens]; on a backend that runs ahead, ~i is the token sampled for output i of the step started before
  int const* positions;   ///< [tokens]
  int slices;
  slice const* slice_of;  ///< [slices], rows ascending without gaps
  int outputs;            ///< rows whose logits are wanted
  int const* output_rows; ///< [outputs], ascending
};

}  // namespace verbatim
