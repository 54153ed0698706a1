// The bodies of expected.hpp (core/separate.hpp says who includes this).
#pragma once
#include <charconv>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/model/config.hpp"
#include "verbatim/model/llama.hpp"
#include "verbatim/model/qwen.hpp"
#include "verbatim/model/table.hpp"
#include "verbatim/weights/expected.hpp"

namespace verbatim::weights {

namespace detail {

inline std::vector<expected_weight> table_of(model_config const& c) {
  switch (c.arch) {
    case architecture::qwen2: return expected_weights<qwen2>(c);
    case architecture::qwen3: return expected_weights<qwen3>(c);
    default: return expected_weights<llama>(c);   // mistral is llama with a window
  }
}

inline role role_of(expected_weight const& w) noexcept {
  if (w.name.starts_with("lm_head.")) return role::head;
  if (w.name.starts_with("model.embed_tokens.")) return role::embedding;
  if (w.name.ends_with(".bias")) return role::bias;
  return w.shape.rank == 1 ? role::norm : role::matrix;
}

inline int layer_of(std::string_view name) noexcept {
  constexpr std::string_view prefix = "model.layers.";
  int layer = -1;
  if (name.starts_with(prefix)) std::from_chars(name.data() + prefix.size(), name.data() + name.size(), layer);
  return layer;
}

}  // namespace detail

VERBATIM_BODY std::vector<expected_tensor> expected_tensors(model_config const& c) {
  std::vector<expected_tensor> out;
  for (auto& w : detail::table_of(c)) {
    role const as = detail::role_of(w);
    int const layer = detail::layer_of(w.name);
    out.push_back({std::move(w.name), w.shape, as, layer});
  }
  return out;
}

}  // namespace verbatim::weights
