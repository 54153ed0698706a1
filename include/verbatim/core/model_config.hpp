// The numbers of one decoder checkpoint, as its config.json gives them. Parsed and checked by weights/config_json.hpp.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/core/tensor.hpp"
#include "verbatim/core/token.hpp"

namespace verbatim {

/// How rotary frequencies are scaled (config.json "rope_scaling" / "rope_parameters").
struct rope_scaling {
  enum class kind : std::uint8_t { none, linear, llama3 };
  kind type = kind::none;
  float factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  int original_context = 0;
};

enum class architecture : std::uint8_t { llama, mistral, qwen2, qwen3 };
constexpr std::string_view name_of(architecture a) noexcept {
  constexpr std::string_view names[] = {"llama", "mistral", "qwen2", "qwen3"};
  return names[std::size_t(a)];
}

struct model_config {
  architecture arch = architecture::llama;
  dtype type = dtype::bf16;          ///< of the checkpoint's tensors; f16 is computed in f32
  int layers = 0, hidden = 0, intermediate = 0, vocabulary = 0;
  int heads = 0, kv_heads = 0, head_dim = 0;
  int context = 0;                   ///< max_position_embeddings
  float rms_eps = 1e-6f, rope_theta = 10000;
  rope_scaling scaling{};
  int window = 0;                    ///< sliding window in tokens; 0: full attention
  std::vector<std::uint8_t> windowed{};   ///< per layer: 1 where the window applies; empty: all layers
  bool tied = false;                 ///< lm_head shares the embedding
  bool attention_bias = false;       ///< biases on q, k, v (qwen2: always; llama: config "attention_bias")
  bool output_bias = false;          ///< bias on o as well (llama and qwen3 with "attention_bias"; never qwen2)
  std::vector<token> bos{}, eos{};   ///< from generation_config.json, else config.json
};

}  // namespace verbatim
