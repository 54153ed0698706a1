// Configurations of well-known shapes, for engines with random weights.
#pragma once
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace shapes {

inline constexpr char const* qwen2_5_0_5b =
    R"({"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2","dtype":"bfloat16","vocab_size":151936,"hidden_size":896,)"
    R"("intermediate_size":4864,"num_hidden_layers":24,"num_attention_heads":14,"num_key_value_heads":2,"max_position_embeddings":32768,)"
    R"("rms_norm_eps":1e-6,"rope_theta":1000000.0,"tie_word_embeddings":true,"bos_token_id":151643,"eos_token_id":151645})";

/// The same with a window of 256 positions in every layer.
inline constexpr char const* windowed =
    R"({"architectures":["Qwen2ForCausalLM"],"model_type":"qwen2","dtype":"bfloat16","vocab_size":151936,"hidden_size":896,)"
    R"("intermediate_size":4864,"num_hidden_layers":24,"num_attention_heads":14,"num_key_value_heads":2,"max_position_embeddings":32768,)"
    R"("rms_norm_eps":1e-6,"rope_theta":1000000.0,"tie_word_embeddings":true,"bos_token_id":151643,"eos_token_id":151645,)"
    R"("use_sliding_window":true,"sliding_window":256,"max_window_layers":0})";

/// The path of a config.json with this text, in a folder that is removed at the end.
class file {
 public:
  explicit file(char const* config) {
    std::string pattern = (std::filesystem::temp_directory_path() / "verbatim.XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    std::ofstream(path()) << config;
  }
  file(file const&) = delete;
  ~file() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  std::filesystem::path path() const { return folder_ / "config.json"; }

 private:
  std::filesystem::path folder_;
};

}  // namespace shapes
