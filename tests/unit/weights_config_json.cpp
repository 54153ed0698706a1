#include "verbatim/text/json.hpp"
#include "verbatim/weights/config_json.hpp"

#include <random>

#include "catch.hpp"
#include "weights_thrown.hpp"

using namespace verbatim;

namespace {

/// A small valid configuration with `change` (a JSON object) merged over it; a value null stays null.
std::string with(std::string const& change, std::string const& architecture = "LlamaForCausalLM", std::vector<char const*> without = {}) {
  json top = json::parse(R"({"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "vocab_size": 320,
                             "num_attention_heads": 4, "num_key_value_heads": 2})");
  top["architectures"] = {architecture};
  for (auto const* field : without) top.erase(field);
  json const changes = json::parse(change);
  for (auto const& [key, value] : changes.items()) top[key] = value;
  return top.dump();
}
model_config parsed(std::string const& change, std::string const& architecture = "LlamaForCausalLM", std::vector<char const*> without = {}) {
  return parse_config(with(change, architecture, std::move(without)));
}
int refused(std::string const& change, std::string const& part, std::string const& architecture = "LlamaForCausalLM",
            std::vector<char const*> without = {}) {
  try {
    parse_config(with(change, architecture, std::move(without)), "dir/config.json");
    return 0;
  } catch (error const& e) {
    INFO(e.what());
    CHECK(e.area() == "config");
    CHECK(has(e.what(), "dir/config.json: "));
    CHECK(has(e.what(), part));
    return e.number();
  }
}

}  // namespace

TEST_CASE("config_json: absent fields have the defaults of transformers") {
  auto const llama = parsed("{}", "LlamaForCausalLM", {"num_key_value_heads"});
  CHECK(llama.kv_heads == 4);
  CHECK(llama.head_dim == 16);
  CHECK(llama.context == 2048);
  CHECK(llama.rms_eps == 1e-6f);
  CHECK(llama.rope_theta == 10000.0f);
  CHECK_FALSE(llama.tied);
  CHECK_FALSE(llama.attention_bias);
  CHECK(llama.window == 0);
  CHECK(llama.type == dtype::f32);
  CHECK(llama.bos == std::vector<token>{1});
  CHECK(llama.eos == std::vector<token>{2});
  auto const mistral = parsed(R"({"num_attention_heads": 8})", "MistralForCausalLM", {"num_key_value_heads"});
  CHECK(mistral.kv_heads == 8);
  CHECK(mistral.context == 131072);
  CHECK(mistral.window == 4096);
  CHECK(parsed(R"({"sliding_window": null})", "MistralForCausalLM").window == 0);
  auto const qwen2 = parsed("{}", "Qwen2ForCausalLM");
  CHECK(qwen2.attention_bias);
  CHECK_FALSE(qwen2.output_bias);
  CHECK(qwen2.eos.empty());
  CHECK(qwen2.context == 32768);
  CHECK(qwen2.window == 0);
  CHECK(parsed(R"({"num_attention_heads": 32})", "Qwen2ForCausalLM", {"num_key_value_heads"}).kv_heads == 32);
  auto const qwen3 = parsed(R"({"num_key_value_heads": null})", "Qwen3ForCausalLM");
  CHECK(qwen3.head_dim == 128);
  CHECK(qwen3.kv_heads == 4);
  CHECK(parsed(R"({"head_dim": null})", "Qwen3ForCausalLM").head_dim == 16);
  CHECK(parse_config(R"({"model_type": "qwen3", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1,
                         "vocab_size": 320, "num_attention_heads": 4, "num_key_value_heads": 2})").arch == architecture::qwen3);
}

TEST_CASE("config_json: both spellings of the rotary parameters") {
  char const* const old_form = R"({"rope_theta": 500000, "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}, "torch_dtype": "bfloat16"})";
  char const* const new_form = R"({"rope_parameters": {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}, "dtype": "bfloat16"})";
  for (auto const* form : {old_form, new_form}) {
    auto const c = parsed(form);
    CHECK(c.rope_theta == 500000.0f);
    CHECK(c.scaling.type == rope_scaling::kind::llama3);
    CHECK(c.scaling.factor == 32);
    CHECK(c.scaling.low_freq_factor == 1);
    CHECK(c.scaling.high_freq_factor == 4);
    CHECK(c.scaling.original_context == 8192);
    CHECK(c.type == dtype::bf16);
  }
  auto const linear = parsed(R"({"rope_theta": 20000, "rope_scaling": {"type": "linear", "factor": 4}})");
  CHECK(linear.scaling.type == rope_scaling::kind::linear);
  CHECK(linear.scaling.factor == 4);
  CHECK(linear.rope_theta == 20000.0f);
  CHECK(parsed(R"({"rope_scaling": null, "rope_parameters": {"rope_type": "default", "rope_theta": 7}})").rope_theta == 7.0f);
  CHECK(refused(R"({"rope_scaling": {"rope_type": "yarn", "factor": 4}})", "rope_scaling.rope_type") == 8);
  CHECK(refused(R"({"rope_scaling": {"type": "dynamic", "factor": 4}})", "\"dynamic\" found") == 8);
  CHECK(refused(R"({"rope_parameters": {"rope_type": "longrope"}})", "\"longrope\" found") == 8);
  CHECK(refused(R"({"rope_parameters": {"full_attention": {"rope_type": "default"}}})", "full_attention") == 8);
  CHECK(refused(R"({"rope_scaling": {"rope_type": "llama3", "factor": 8}})", "low_freq_factor") == 4);
  CHECK(refused(R"({"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4}})", "high_freq_factor") == 7);
  CHECK(refused(R"({"rope_scaling": {"rope_type": "linear"}})", "rope_scaling.factor") == 4);
  CHECK(refused(R"({"rope_scaling": 3})", "an object expected, 3 found") == 5);
  CHECK(refused(R"({"rope_theta": "1e4"})", "rope_theta") == 5);
  CHECK(refused(R"({"rope_theta": 0})", "rope_theta") == 6);
  CHECK(refused(R"({"partial_rotary_factor": 0.5})", "partial_rotary_factor") == 8);
}

TEST_CASE("config_json: windows") {
  auto const window = [](std::string const& change) { return parsed(change, "Qwen2ForCausalLM"); };
  CHECK(window(R"({"sliding_window": 16})").window == 0);
  auto const upper = window(R"({"sliding_window": 16, "use_sliding_window": true, "max_window_layers": 3})");
  CHECK(upper.window == 16);
  CHECK(upper.windowed == std::vector<std::uint8_t>{0, 0, 0, 1});
  CHECK(window(R"({"sliding_window": 16, "use_sliding_window": true, "max_window_layers": 4})").window == 0);
  auto const all = window(R"({"sliding_window": 16, "use_sliding_window": true, "max_window_layers": 0})");
  CHECK(all.window == 16);
  CHECK(all.windowed.empty());
  auto const listed = window(R"({"sliding_window": 16, "use_sliding_window": true,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]})");
  CHECK(listed.windowed == std::vector<std::uint8_t>{1, 0, 1, 0});
  CHECK(refused(R"({"layer_types": ["sliding_attention", "full_attention", "full_attention", "full_attention"]})", "layer_types", "Qwen3ForCausalLM") == 7);
  CHECK(refused(R"({"layer_types": ["full_attention"]})", "4 layers expected, 1 found", "Qwen3ForCausalLM") == 7);
  CHECK(refused(R"({"layer_types": ["full_attention", "mamba", "full_attention", "full_attention"]})", "mamba", "Qwen3ForCausalLM") == 8);
  CHECK(refused(R"({"layer_types": ["sliding_attention", "full_attention", "full_attention", "full_attention"]})", "qwen2 and qwen3 only", "MistralForCausalLM") == 8);
  CHECK(refused(R"({"sliding_window": 0})", "sliding_window", "MistralForCausalLM") == 6);
}

TEST_CASE("config_json: what is not supported is refused by name") {
  CHECK(refused("{}", "\"GemmaForCausalLM\" found", "GemmaForCausalLM") == 3);
  CHECK(refused(R"({"architectures": null, "model_type": "gpt2"})", "\"gpt2\" found") == 3);
  CHECK(refused(R"({"architectures": []})", "nothing found") == 3);
  CHECK(refused(R"({"architectures": [1]})", "architectures") == 5);
  CHECK(refused(R"({"model_type": "qwen2"})", "model_type") == 7);
  CHECK(refused(R"({"hidden_act": "gelu"})", "\"silu\" expected, \"gelu\" found") == 8);
  CHECK(refused(R"({"mlp_bias": true})", "mlp_bias") == 8);
  CHECK(refused(R"({"quantization_config": {"quant_method": "awq"}})", "quantization_config") == 8);
  CHECK(refused(R"({"pretraining_tp": 2})", "pretraining_tp") == 8);
  CHECK(refused(R"({"torch_dtype": "float64"})", "float64") == 8);
  CHECK(parsed(R"({"attention_bias": true})").output_bias);
  CHECK_FALSE(parsed(R"({"attention_bias": true})", "MistralForCausalLM").attention_bias);
}

TEST_CASE("config_json: sizes are present, bounded and consistent") {
  for (auto const* field : {"hidden_size", "intermediate_size", "num_hidden_layers", "vocab_size", "num_attention_heads"}) {
    std::string const name = field;
    CHECK(refused("{}", name, "LlamaForCausalLM", {field}) == 4);
    CHECK(refused("{\"" + name + "\": null}", name) == 4);
    CHECK(refused("{\"" + name + "\": 0}", name) == 6);
    CHECK(refused("{\"" + name + "\": -1}", name) == 6);
    CHECK(refused("{\"" + name + "\": 18446744073709551615}", name) == 6);
    CHECK(refused("{\"" + name + "\": 4294967297}", name) == 6);
    CHECK(refused("{\"" + name + "\": 1.5}", name) == 5);
    CHECK(refused("{\"" + name + "\": true}", name) == 5);
    CHECK(refused("{\"" + name + "\": [64]}", name) == 5);
  }
  CHECK(refused(R"({"num_key_value_heads": 3})", "num_key_value_heads") == 7);
  CHECK(refused(R"({"head_dim": 15})", "head_dim") == 7);
  CHECK(refused(R"({"hidden_size": 66})", "hidden_size") == 7);
  CHECK(refused(R"({"rms_norm_eps": 0})", "rms_norm_eps") == 6);
  CHECK(refused(R"({"eos_token_id": 320})", "eos_token_id") == 6);
  CHECK(refused(R"({"bos_token_id": -1})", "bos_token_id") == 6);
  CHECK(refused(R"({"eos_token_id": "2"})", "eos_token_id") == 5);
  CHECK(parsed(R"({"eos_token_id": [5, 6, 5]})").eos == std::vector<token>{5, 6});
  CHECK(parsed(R"({"eos_token_id": null})").eos.empty());
  CHECK(has(thrown([] { parse_config("{", "c"); }), "config.2"));
  CHECK(has(thrown([] { parse_config("[]", "c"); }), "config.2"));
  CHECK(has(thrown([] { parse_config(std::string(1000, '['), "c"); }), "nested too deeply"));
  CHECK(has(thrown([] { read_config("/nonexistent"); }), "config.1"));
  std::string const no_model = thrown([] { read_config(VERBATIM_SOURCE_DIR "/README.md"); });
  CHECK(has(no_model, "config.2"));
  CHECK(has(no_model, "README.md is neither a model folder in Hugging Face layout nor its config.json: not valid JSON"));
}

TEST_CASE("config_json: generation defaults and whose eos counts") {
  auto const g = parse_generation_config(R"({"do_sample": true, "temperature": 0.6, "top_p": 0.95, "top_k": 20, "min_p": 0,
    "repetition_penalty": 1.05, "max_new_tokens": 2048, "eos_token_id": [3, 4], "bos_token_id": 1, "transformers_version": "4.51.0"})", 10);
  CHECK(g.defaults.do_sample == true);
  CHECK(g.defaults.temperature == 0.6f);
  CHECK(g.defaults.top_p == 0.95f);
  CHECK(g.defaults.top_k == 20);
  CHECK(g.defaults.repetition_penalty == 1.05f);
  CHECK(g.defaults.max_new_tokens == 2048);
  CHECK_FALSE(g.defaults.max_length);
  CHECK(g.eos == std::vector<token>{3, 4});
  CHECK(has(thrown([] { parse_generation_config(R"({"top_p": 2})", 10); }), "config.6"));
  CHECK(has(thrown([] { parse_generation_config(R"({"temperature": "hot"})", 10); }), "config.5"));
  CHECK(has(thrown([] { parse_generation_config(R"({"eos_token_id": 10})", 10); }), "config.6"));
  auto const sharded = read_config(source_dir() / "tests/fixtures/models/qwen3-sharded");
  CHECK(sharded.config.eos == std::vector<token>{2, 3});
  CHECK(sharded.defaults.top_k == 20);
  auto const alone = read_config(source_dir() / "tests/fixtures/models/qwen3-sharded/config.json");
  CHECK(alone.config.eos == std::vector<token>{2});
  CHECK_FALSE(alone.defaults.top_k);
}

TEST_CASE("config_json: any changed byte gives an error of ours or a sane configuration") {
  std::string const text = read_bytes(source_dir() / "tests/fixtures/models/llama3-gqa/config.json");
  std::mt19937 random(2);
  int good = 0, bad = 0;
  auto const attempt = [&](std::string const& changed) {
    try {
      model_config const c = parse_config(changed);
      REQUIRE((c.heads % c.kv_heads == 0 && c.head_dim % 2 == 0 && c.layers > 0));
      ++good;
    } catch (error const&) {
      ++bad;
    }
  };
  for (std::size_t n = 0; n < text.size(); n += 3) attempt(text.substr(0, n));
  for (int round = 0; round < 2000; ++round) {
    std::string changed = text;
    changed[random() % changed.size()] = char(round % 2 ? random() : "0123456789-.e[]{}\":,"[random() % 20]);
    attempt(changed);
  }
  CHECK(good > 100);
  CHECK(bad > 100);
}

TEST_CASE("config_json: models of others") {
  auto const models = testdata() / "models";
  if (!std::filesystem::exists(models)) return skip("no test data at " + models.string());
  auto const stories = read_config(models / "stories260K").config;
  CHECK(stories.layers == 5);
  CHECK(stories.kv_heads == 4);
  CHECK(stories.tied);
  CHECK(stories.eos == std::vector<token>{1, 2});
  for (auto const* name : {"gpt-nano-sort", "tiny-random-gpt2"})
    CHECK(has(thrown([&] { read_config(models / name); }), "config.3] " + (models / name / "config.json").string()));
}
