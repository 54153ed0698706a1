// The bodies of config_json.hpp (core/separate.hpp says who includes this).
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "verbatim/core/error.hpp"
#include "verbatim/model/config.hpp"
#include "verbatim/text/json.hpp"
#include "verbatim/weights/config_fields.hpp"
#include "verbatim/weights/config_json.hpp"
#include "verbatim/weights/config_rope.hpp"
#include "verbatim/weights/generation_json.hpp"
#include "verbatim/weights/mapped_file.hpp"

namespace verbatim {

namespace weights::detail {

struct known_architecture {
  std::string_view name, model_type;
  architecture arch;
  int kv_heads, head_dim, context;   ///< defaults where absent; 0: derived from the other sizes
  int bos, eos;                      ///< -1: none
};
inline constexpr std::array<known_architecture, 4> architectures{{
    {"LlamaForCausalLM", "llama", architecture::llama, 0, 0, 2048, 1, 2},
    {"MistralForCausalLM", "mistral", architecture::mistral, 8, 0, 131072, 1, 2},
    {"Qwen2ForCausalLM", "qwen2", architecture::qwen2, 32, 0, 32768, -1, -1},
    {"Qwen3ForCausalLM", "qwen3", architecture::qwen3, 32, 128, 32768, -1, -1},
}};

inline known_architecture const& architecture_in(config_fields const& f) {
  constexpr char const* expected = "LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM or Qwen3ForCausalLM";
  auto const type = f.text("model_type");
  json const* list = f.find("architectures");
  if (list && !list->is_array()) f.refuse(fault::type, "architectures", "an array");
  if (list && list->size() > 0) {
    json const& first = list->front();
    if (!first.is_string()) f.fail(fault::type, "architectures", "strings expected, " + f.shown(first) + " found");
    for (auto const& a : architectures) {
      if (first.get_ref<std::string const&>() != a.name) continue;
      if (type && *type != a.model_type)
        f.refuse(fault::inconsistent, "model_type", "\"" + std::string(a.model_type) + "\" for " + std::string(a.name));
      return a;
    }
    f.fail(fault::architecture, "architectures", std::string(expected) + " expected, " + f.shown(first) + " found");
  }
  for (auto const& a : architectures)
    if (type && *type == a.model_type) return a;
  if (type) f.fail(fault::architecture, "model_type", std::string(expected) + " expected, " + f.shown(*f.find("model_type")) + " found");
  f.fail(fault::architecture, "architectures", std::string(expected) + " expected, nothing found");
}

inline dtype type_in(config_fields const& f) {
  char const* const field = f.has("dtype") ? "dtype" : "torch_dtype";   // transformers 5, 4
  auto const name = f.text(field);
  if (!name || *name == "float32" || *name == "torch.float32") return dtype::f32;   // absent: the default of torch
  if (*name == "bfloat16" || *name == "torch.bfloat16") return dtype::bf16;
  if (*name == "float16" || *name == "torch.float16") return dtype::f16;
  f.refuse(fault::unsupported, field, "\"float32\", \"bfloat16\" or \"float16\"");
}

/// What would change the computation and is not implemented.
inline void refuse_unsupported(config_fields const& f) {
  if (auto const act = f.text("hidden_act"); act && *act != "silu" && *act != "swish") f.refuse(fault::unsupported, "hidden_act", "\"silu\"");
  if (f.boolean("mlp_bias").value_or(false)) f.refuse(fault::unsupported, "mlp_bias", "false");
  if (f.has("quantization_config")) f.refuse(fault::unsupported, "quantization_config", "no quantization");
  if (f.has("compression_config")) f.refuse(fault::unsupported, "compression_config", "no quantization");
  if (f.integer("pretraining_tp", 0, 1 << 20, 1) > 1) f.refuse(fault::unsupported, "pretraining_tp", "1");
}

inline void read_sizes(config_fields const& f, known_architecture const& a, model_config& c) {
  c.layers = f.required("num_hidden_layers", 1, 1024);
  c.hidden = f.required("hidden_size", 1, 1 << 17);
  c.intermediate = f.required("intermediate_size", 1, 1 << 20);
  c.vocabulary = f.required("vocab_size", 1, 1 << 24);
  c.heads = f.required("num_attention_heads", 1, 4096);
  bool const equal = f.written("num_key_value_heads") || a.kv_heads == 0;            // null: as many as heads
  c.kv_heads = f.integer("num_key_value_heads", 1, 4096, equal ? c.heads : a.kv_heads);
  if (c.heads % c.kv_heads != 0)
    f.fail(fault::inconsistent, "num_key_value_heads", "a divisor of num_attention_heads = " + std::to_string(c.heads) + " expected, " +
                                         std::to_string(c.kv_heads) + " found");
  bool const derived = !f.has("head_dim") && (a.head_dim == 0 || f.written("head_dim"));
  if (derived && c.hidden % c.heads != 0)
    f.fail(fault::inconsistent, "hidden_size", "a multiple of num_attention_heads = " + std::to_string(c.heads) +
                                                   " expected, " + std::to_string(c.hidden) + " found");
  c.head_dim = f.integer("head_dim", 1, 4096, derived ? c.hidden / c.heads : a.head_dim);
  if (c.head_dim % 2 != 0 || c.head_dim > 4096)
    f.fail(fault::inconsistent, "head_dim", "an even size up to 4096 expected (rotary pairs), " + std::to_string(c.head_dim) + " found");
  c.context = f.integer("max_position_embeddings", 1, 1 << 27, a.context);
  c.rms_eps = f.number("rms_norm_eps", 1e-12, 1).value_or(1e-6f);
}

/// Which layers see only a window, as in transformers: mistral all; qwen where use_sliding_window says so, from layer
/// max_window_layers on or by layer_types; llama none.
inline void read_window(config_fields const& f, model_config& c) {
  bool const qwen = c.arch == architecture::qwen2 || c.arch == architecture::qwen3;
  json const* types = f.find("layer_types");
  if (types && (!types->is_array() || int(types->size()) != c.layers))
    f.fail(fault::inconsistent, "layer_types", "one entry for each of " + std::to_string(c.layers) + " layers expected, " +
                                 (types->is_array() ? std::to_string(types->size()) : f.shown(*types)) + " found");
  bool const on = c.arch == architecture::mistral || (qwen && f.boolean("use_sliding_window").value_or(false));
  bool const null = f.written("sliding_window") && !f.has("sliding_window");
  if (on && !null) c.window = f.integer("sliding_window", 1, 1 << 30, 4096);
  int const from = qwen ? f.integer("max_window_layers", 0, 1 << 20, 28) : 0;
  int windowed = 0;
  for (int i = 0; i < c.layers; ++i) {
    bool here = c.window > 0 && i >= from;
    if (types) {
      json const& type = (*types)[std::size_t(i)];
      bool const sliding = type == "sliding_attention";
      if (!sliding && type != "full_attention")
        f.fail(fault::unsupported, "layer_types", "\"full_attention\" or \"sliding_attention\" expected, " + f.shown(type) + " found");
      if (!qwen && sliding != here) f.fail(fault::unsupported, "layer_types", "mixed attention is supported for qwen2 and qwen3 only");
      if (sliding && c.window == 0) f.fail(fault::inconsistent, "layer_types", "sliding_attention without a sliding_window");
      here = sliding;
    }
    c.windowed.push_back(here);
    windowed += here;
  }
  if (windowed == 0) c.window = 0;
  if (windowed == 0 || windowed == c.layers) c.windowed.clear();
}

inline std::filesystem::path config_file_in(std::filesystem::path const& path) {
  std::error_code ignored;
  auto const file = std::filesystem::is_directory(path, ignored) ? path / "config.json" : path;
  if (!std::filesystem::exists(file, ignored))
    throw error("config", 1, file.string() + ": no such file; a model folder in Hugging Face layout is expected: config.json, tokenizer.json and *.safetensors"
                                      " (a config.json alone where no weights are read: verbatim inspect, random weights)");
  return file;
}

}  // namespace weights::detail

VERBATIM_BODY model_config parse_config(std::string_view text, std::string const& file) {
  using namespace weights::detail;
  json const top = config_object(text, file);
  weights::config_fields const f(top, file);
  known_architecture const& a = architecture_in(f);
  model_config c;
  c.arch = a.arch;
  c.type = type_in(f);
  refuse_unsupported(f);
  read_sizes(f, a, c);
  read_rope(f, c);
  read_window(f, c);
  c.tied = f.boolean("tie_word_embeddings").value_or(false);
  bool const asked = f.boolean("attention_bias").value_or(false);
  bool const heeded = asked && (c.arch == architecture::llama || c.arch == architecture::qwen3);   // others ignore the field
  c.attention_bias = heeded || c.arch == architecture::qwen2;
  c.output_bias = heeded;
  c.bos = f.tokens("bos_token_id", c.vocabulary);
  c.eos = f.tokens("eos_token_id", c.vocabulary);
  if (!f.written("bos_token_id") && a.bos >= 0 && a.bos < c.vocabulary) c.bos = {a.bos};
  if (!f.written("eos_token_id") && a.eos >= 0 && a.eos < c.vocabulary) c.eos = {a.eos};
  return c;
}

VERBATIM_BODY model_description read_config(std::filesystem::path const& path) {
  auto const file = weights::detail::config_file_in(path);
  model_description out;
  try {
    out.config = parse_config(weights::mapped_file(file).text(), file.string());
  } catch (error const& e) {
    if (file != path || e.area() != "config" || e.number() != 2) throw;   // a file was given, and it is no configuration
    std::string_view const why = e.message();
    throw error("config", 2, file.string() + " is neither a model folder in Hugging Face layout nor its config.json" + std::string(why.substr(file.string().size())));
  }
  auto const generation = path / "generation_config.json";
  std::error_code ignored;
  if (file == path || !std::filesystem::exists(generation, ignored)) return out;
  weights::mapped_file const map(generation);
  auto parsed = parse_generation_config(map.text(), out.config.vocabulary, generation.string());
  if (!parsed.bos.empty()) out.config.bos = std::move(parsed.bos);
  if (!parsed.eos.empty()) out.config.eos = std::move(parsed.eos);
  out.defaults = parsed.defaults;
  return out;
}

}  // namespace verbatim
