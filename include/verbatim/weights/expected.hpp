// The tensors that a checkpoint of a given configuration holds: the model's weight tables (model/table.hpp), chosen by the
// configuration's architecture, with what each tensor is for. Random weights, floors and `inspect` iterate them.
// Cost: one small vector.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/core/separate.hpp"
#include "verbatim/core/tensor.hpp"
#include "verbatim/model/config.hpp"

namespace verbatim::weights {

/// What a tensor is for. A matrix is [out, in]; norms and biases are vectors.
enum class role : std::uint8_t { embedding, norm, bias, matrix, head };

struct expected_tensor {
  std::string name;
  extents shape;
  role as;
  int layer;   ///< -1: not of a layer
};

/// In the order of the tables.
std::vector<expected_tensor> expected_tensors(model_config const& c);

/// Tensors that a checkpoint may hold and no model reads: the duplicate head of a tied model, stored rotary frequencies.
inline bool is_ignorable(model_config const& c, std::string_view name) noexcept {
  return (c.tied && name == "lm_head.weight") || name.ends_with("rotary_emb.inv_freq");
}

}  // namespace verbatim::weights

#if !VERBATIM_SEPARATE_COMPILATION
#include "verbatim/weights/expected.ipp.hpp"
#endif
