// The one visible door from run time to compile time: which architecture a checkpoint is decides which types run it.
#pragma once
#include <filesystem>
#include <utility>

#include "verbatim/core/bf16.hpp"
#include "verbatim/core/error.hpp"
#include "verbatim/model/llama.hpp"
#include "verbatim/model/qwen.hpp"
#include "verbatim/weights/checkpoint.hpp"
#include "verbatim/weights/config_json.hpp"

namespace verbatim {

/// What a checkpoint asks for, as types.
template <class Model, class T> struct checkpoint_kind {
  using architecture = Model;
  using dtype = T;
};

/// In which arithmetic to run: the checkpoint's own (f16 runs as f32, exactly), or one that is named.
enum class compute : std::uint8_t { checkpoint, bf16, f32 };

/// Whether a model directory holds a checkpoint, and not only a config.json to make random weights from.
inline bool has_weights(std::filesystem::path const& path) {
  std::error_code ignored;
  return std::filesystem::exists(path / "model.safetensors", ignored) || std::filesystem::exists(path / "model.safetensors.index.json", ignored);
}

/// Calls f(checkpoint_kind<Model, T>{}) for the model directory (or config.json) at `path` and gives what it gives.
/// Instantiates f for every supported architecture in both arithmetics. Throws error("config", …).
template <class F> decltype(auto) with_checkpoint(std::filesystem::path const& path, compute want, F&& f) {
  model_config const config = read_config(path).config;
  dtype stored = config.type;   // what the tensors are counts, not what config.json says of them
  if (want == compute::checkpoint && has_weights(path)) stored = weights::checkpoint(path).type().value_or(stored);
  bool const narrow = want == compute::bf16 || (want == compute::checkpoint && stored == dtype::bf16);
  auto const call = [&]<class Model>() -> decltype(auto) {
    return narrow ? std::forward<F>(f)(checkpoint_kind<Model, bf16>{}) : std::forward<F>(f)(checkpoint_kind<Model, float>{});
  };
  switch (config.arch) {
    case architecture::qwen3: return call.template operator()<qwen3>();
    case architecture::qwen2: return call.template operator()<qwen2>();
    default: return call.template operator()<llama>();   // mistral is llama with a window, which is a number
  }
}

template <class F> decltype(auto) with_checkpoint(std::filesystem::path const& path, F&& f) {
  return with_checkpoint(path, compute::checkpoint, std::forward<F>(f));
}

}  // namespace verbatim
