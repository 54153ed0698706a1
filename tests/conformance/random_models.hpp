// Small models of every architecture in both arithmetics, with random weights and a context of four attention leaves, in the
// engines that the example programs run.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include "../../examples/pipelines.hpp"

namespace random_models {

/// A folder with a config.json and nothing else, removed at the end.
class folder {
 public:
  explicit folder(std::string const& config) {
    std::string pattern = (std::filesystem::temp_directory_path() / "verbatim.XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    std::ofstream(path_ / "config.json") << config;
  }
  folder(folder const&) = delete;
  ~folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::filesystem::path const& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// What a model is asked to be besides. Devices have kernels for heads of 32, 64 and 128.
struct variant {
  int head_dim = 16, hidden = 48;
  bool tied = false;   ///< of architectures whose models are not, too
  int intermediate = 96, vocabulary = 300, heads = 4, kv_heads = 2;
};
/// In every product k has several leaves of 512, the last one shorter, and there are fewer blocks than a GPU has processors: of few rows
/// leaves are cut among blocks, and merged by whatever comes behind. There are ids enough for logits to be cut among blocks, too.
inline constexpr variant wide{.hidden = 1088, .intermediate = 2112, .vocabulary = 8200, .heads = 18, .kv_heads = 6};
/// The same with two leaves, for the host executor, whose device is small (test_engines::watched).
inline constexpr variant two_leaves{.hidden = 528, .intermediate = 520, .heads = 9, .kv_heads = 3};
constexpr variant with_heads_of(int head_dim, variant v) {
  v.head_dim = head_dim;
  return v;
}
/// `architecture`: llama, mistral (a window of 100), qwen2 or qwen3; `type`: bfloat16 or float32.
inline std::string config_of(std::string const& architecture, std::string const& type, variant const& v = {}) {
  auto const number = [](char const* name, int n) { return "\"" + std::string(name) + "\":" + std::to_string(n) + ","; };
  std::string const common = number("vocab_size", v.vocabulary) + number("hidden_size", v.hidden) + number("intermediate_size", v.intermediate) +
                             number("num_attention_heads", v.heads) + number("num_key_value_heads", v.kv_heads) + number("head_dim", v.head_dim) +
                             R"("num_hidden_layers":2,"max_position_embeddings":1024,"rms_norm_eps":1e-6,"bos_token_id":1,"eos_token_id":2,)";
  std::string const dtype = R"("dtype":")" + type + "\",", tied = v.tied ? R"("tie_word_embeddings":true)" : R"("tie_word_embeddings":false)";
  auto const named = [&](char const* kind, char const* name, std::string const& more) {
    return "{" + dtype + common + R"("architectures":[")" + name + R"("],"model_type":")" + kind + "\"," + more + "}";
  };
  if (architecture == "llama")
    return named("llama", "LlamaForCausalLM", R"("rope_theta":500000.0,"rope_scaling":{"rope_type":"llama3","factor":8.0,)"
                                              R"("low_freq_factor":1.0,"high_freq_factor":4.0,"original_max_position_embeddings":128},)" + tied);
  if (architecture == "mistral") return named("mistral", "MistralForCausalLM", R"("sliding_window":100,"rope_theta":10000.0,)" + tied);
  if (architecture == "qwen2") return named("qwen2", "Qwen2ForCausalLM", R"("rope_theta":1000000.0,"tie_word_embeddings":true)");
  return named("qwen3", "Qwen3ForCausalLM", R"("rope_theta":1000000.0,"tie_word_embeddings":true)");
}
/// The head dimension of models for a device: attention is by fma in f32 and on tensor cores in bf16.
inline int device_head_dim(std::string const& type) { return type == "bfloat16" ? 64 : 32; }

/// Calls f.template operator()<Pipeline>(architecture, type name) for each architecture in each arithmetic.
template <class F> void for_each(F&& f) {
  f.template operator()<examples::llama_f32>("llama", "float32");
  f.template operator()<examples::llama_bf16>("llama", "bfloat16");
  f.template operator()<examples::llama_f32>("mistral", "float32");
  f.template operator()<examples::llama_bf16>("mistral", "bfloat16");
  f.template operator()<examples::qwen2_f32>("qwen2", "float32");
  f.template operator()<examples::qwen2_bf16>("qwen2", "bfloat16");
  f.template operator()<examples::qwen3_f32>("qwen3", "float32");
  f.template operator()<examples::qwen3_bf16>("qwen3", "bfloat16");
}

/// A number below n.
inline int below(std::mt19937& random, int n) { return int(random() % unsigned(n)); }

inline std::vector<verbatim::token> random_ids(std::mt19937& random, int n, int vocabulary) {
  std::vector<verbatim::token> ids(static_cast<std::size_t>(n));
  for (auto& id : ids) id = below(random, vocabulary);
  return ids;
}

}  // namespace random_models
