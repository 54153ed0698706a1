// What every backend needs of a model's numbers and of the limits it is given; checked once, at construction.
#pragma once
#include <string>

#include "verbatim/backend/ops.hpp"
#include "verbatim/core/error.hpp"
#include "verbatim/core/model_config.hpp"
#include "verbatim/numerics/contract.hpp"

namespace verbatim {

/// Throws checkpoint.56 (the model) or checkpoint.57 (limits and contract). `granule`: pages and leaves are multiples of it.
inline void check_shape(model_config const& c, ops_limits const& limits, numerics contract, int granule) {
  auto const positive = [](char const* area_name, int number, char const* what, int value) {
    if (value <= 0) throw error(area_name, number, std::string(what) + " is " + std::to_string(value) + ", expected at least 1");
  };
  for (auto [what, value] : {std::pair{"layers", c.layers}, {"hidden size", c.hidden}, {"intermediate size", c.intermediate},
                             {"vocabulary", c.vocabulary}, {"heads", c.heads}, {"kv heads", c.kv_heads}, {"head_dim", c.head_dim}})
    positive("checkpoint", 56, what, value);
  if (c.head_dim % 2) throw error("checkpoint", 56, "head_dim is " + std::to_string(c.head_dim) + ", expected an even number");
  if (c.heads % c.kv_heads)
    throw error("checkpoint", 56, std::to_string(c.heads) + " heads are not a multiple of " + std::to_string(c.kv_heads) + " kv heads");
  if (!c.windowed.empty() && int(c.windowed.size()) != c.layers)
    throw error("checkpoint", 56, "windows are given for " + std::to_string(c.windowed.size()) + " of " + std::to_string(c.layers) + " layers");
  for (auto [what, value] : {std::pair{"tokens of a step", limits.tokens}, {"slices of a step", limits.slices},
                             {"outputs of a step", limits.outputs}, {"KV pages", limits.pages}, {"tokens of a page", limits.page},
                             {"threads", limits.threads}, {"kv_leaf of the contract", contract.kv_leaf}})
    positive("checkpoint", 57, what, value);
  for (auto [what, value] : {std::pair{"tokens of a page", limits.page}, {"kv_leaf of the contract", contract.kv_leaf}})
    if (value % granule)
      throw error("checkpoint", 57, std::string(what) + " is " + std::to_string(value) + ", expected a multiple of " + std::to_string(granule));
}

}  // namespace verbatim
