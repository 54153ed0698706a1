// From a model directory to a compiled engine: the options that all subcommands with a model share, and the one place
// where a run-time choice (architecture, dtype) becomes a type.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include "options.hpp"
#include "../pipelines.hpp"

namespace cli {

struct model_options {
  std::string model, device = "cpu", dtype = "auto", weights = "checkpoint", kv = "activations";
  bool random_weights = false, pin = false;
  int threads = 0, max_batch = 64, step_tokens = 512, chunk_tokens = 0, context = 0;
  double kv_gib = 0;

  void declare(options& o) {
    o.text("--model", "DIR", model, "model directory in Hugging Face layout").required();
    declare_values(o);
  }
  void declare_values(options& o) {
    o.choice("--device", {"cpu", "cuda"}, device, "where the model runs; cuda: the current GPU (compute capability 9.0)");
    o.choice("--dtype", {"auto", "bf16", "f32"}, dtype, "arithmetic; auto: the checkpoint's (f16 runs as f32)");
    o.choice("--weights", {"checkpoint", "int8", "int4", "w4a8"}, weights,
             "how matrices are kept; quantised while they are loaded; w4a8: int4, and products with activations of eight bits");
    o.choice("--kv", {"activations", "bf16", "int8"}, kv, "how keys and values are kept; activations: as they are computed");
    o.flag("--pin", pin, "each thread that computes keeps to a processor of its own: the first ones that this process may use");
    o.number("--threads", "N", threads, 0, 1024, "worker threads; 0: one per core");
    o.number("--max-batch", "N", max_batch, 1, 4096, "sequences that run together");
    o.number("--step-tokens", "N", step_tokens, 1, 65536, "tokens of a step; long prompts run in chunks of it");
    o.number("--chunk-tokens", "N", chunk_tokens, 0, 65536, "prompt tokens of a step while others decode, who wait for it; 0: the device's choice");
    o.number("--context", "N", context, 0, 1 << 24, "tokens of a sequence; 0, or more than the model was made for: what it was made for");
    o.number("--kv-memory", "GIB", kv_gib, 0, 4096,
             "for the KV cache; 0: for a full batch, at most a quarter of RAM, or four fifths of what the model leaves of a GPU's free memory");
  }
  verbatim::engine_config config() const {
    verbatim::weight_format format{};
    verbatim::parse(weights, format);   // the options know the names
    return {.checkpoint = model, .random_weights = random_weights, .threads = threads, .max_batch = max_batch,
            .step_tokens = step_tokens, .chunk_tokens = chunk_tokens, .context = context, .kv_bytes = std::size_t(kv_gib * double(1 << 30)),
            .weights = format,
            .kv = kv == "int8" ? verbatim::kv_format::int8 : kv == "bf16" ? verbatim::kv_format::bf16 : verbatim::kv_format::activations, .pin_threads = pin};
  }
};

/// The engine, whose complaint about the memory for keys and values then names the option that it came by.
template <class Engine> Engine made(verbatim::engine_config const& config) {
  try {
    return Engine(config);
  } catch (verbatim::error const& e) {
    std::string_view const what = e.message(), own = "kv_bytes";
    if (e.area() != "engine" || e.number() != 9 || what.substr(0, own.size()) != own) throw;
    throw verbatim::error("engine", 9, "--kv-memory" + std::string(what.substr(own.size())));
  }
}

/// Loads the model and calls f(engine). Throws verbatim::error.
template <class F> int with_model(verbatim::engine_config const& config, model_options const& o, F&& f) {
  auto const want = o.dtype == "bf16" ? verbatim::compute::bf16 : o.dtype == "f32" ? verbatim::compute::f32 : verbatim::compute::checkpoint;
  return verbatim::with_checkpoint(config.checkpoint, want, [&]<class Model, class T>(verbatim::checkpoint_kind<Model, T>) {
    if (o.device == "cuda") {
#if VERBATIM_WITH_CUDA
      if constexpr (sizeof(T) == 2) {
        auto engine = made<verbatim::engine<examples::standard<Model, T, verbatim::cuda::sm90>>>(config);
        return f(engine);
      }
      throw verbatim::error("device", 9, "this program's engines for CUDA devices compute in bf16, and the checkpoint is wider: convert it, or run it on the CPU");
#else
      throw verbatim::error("device", 8, "this program was built without CUDA: install the CUDA Toolkit (nvcc) and build again with -DVERBATIM_CUDA=ON, as "
                                       "./serve --device cuda does");
#endif
    }
    auto engine = made<verbatim::engine<examples::standard<Model, T>>>(config);
    return f(engine);
  });
}
template <class F> int with_model(model_options const& o, F&& f) { return with_model(o.config(), o, std::forward<F>(f)); }

}  // namespace cli
