// verbatim inspect: what a model is, what it needs, what bounds its speed, and, where its weights are at hand, whether they are whole.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "commands.hpp"
#include "options.hpp"
#include "verbatim/text/json.hpp"
#include "verbatim/weights/bandwidth.hpp"
#include "verbatim/weights/checkpoint.hpp"
#include "verbatim/weights/config_json.hpp"
#include "verbatim/weights/expected.hpp"
#include "verbatim/weights/floors.hpp"

namespace {

using namespace verbatim;

/// Where the other files of a model are.
std::filesystem::path folder_of(std::filesystem::path const& model) {
  std::error_code ignored;
  return std::filesystem::is_directory(model, ignored) ? model : model.parent_path().empty() ? "." : model.parent_path();
}

/// Whether anything is there that would be read as weights, damaged or not: a file, an index, or shards that have lost theirs.
bool has_weights(std::filesystem::path const& folder) {
  std::error_code ignored;
  if (std::filesystem::exists(folder / "model.safetensors.index.json", ignored) || std::filesystem::exists(folder / "model.safetensors", ignored)) return true;
  for (auto const& entry : std::filesystem::directory_iterator(folder, ignored)) {
    std::string const name = entry.path().filename().string();
    if (name.starts_with("model-") && name.ends_with(".safetensors")) return true;
  }
  return false;
}

struct presence {
  std::vector<std::string> missing, unexpected, wrong;   ///< wrong: shape or dtype, as a sentence
  bool whole() const { return missing.empty() && wrong.empty(); }
};

presence compare(model_config const& config, weights::checkpoint const& files) {
  presence out;
  auto const expected = weights::expected_tensors(config);
  std::vector<std::string_view> names;
  for (auto const& t : expected) {
    names.push_back(t.name);
    if (!files.contains(t.name)) {
      out.missing.push_back(t.name);
      continue;
    }
    try {
      files.access(t.name, t.shape);
    } catch (error const& e) {
      out.wrong.emplace_back(e.what());
    }
  }
  std::sort(names.begin(), names.end());
  files.list([&](weights::stored_tensor const& t, weights::safetensors const&) {
    if (!std::binary_search(names.begin(), names.end(), std::string_view(t.name)) && !weights::is_ignorable(config, t.name))
      out.unexpected.push_back(t.name);
  });
  return out;
}

char const* name_of_architecture(architecture a) {
  constexpr char const* names[] = {"llama", "mistral", "qwen2", "qwen3"};
  return names[std::size_t(a)];
}

/// Where the chat template is, or nothing.
std::optional<std::string> template_in(std::filesystem::path const& folder) {
  std::error_code ignored;
  if (std::filesystem::exists(folder / "chat_template.jinja", ignored)) return "chat_template.jinja";
  auto const file = folder / "tokenizer_config.json";
  if (!std::filesystem::exists(file, ignored)) return {};
  json const top = parse_json(weights::mapped_file(file).text());
  if (top.is_object() && top.contains("chat_template") && !top["chat_template"].is_null()) return "tokenizer_config.json";
  return {};
}

json list_of(std::vector<token> const& ids) {
  json out = json::array();
  for (token t : ids) out.push_back(t);
  return out;
}

json rope_of(model_config const& c) {
  constexpr char const* kinds[] = {"default", "linear", "llama3"};
  json out = {{"theta", c.rope_theta}, {"type", kinds[std::size_t(c.scaling.type)]}};
  if (c.scaling.type != rope_scaling::kind::none) out["factor"] = c.scaling.factor;
  return out;
}

struct job {
  std::string model;
  int context = 4096, batch = 1;
  double bandwidth = 0;
  bool as_json = false;
};

json describe(job const& j, model_config const& c) {
  std::filesystem::path const folder = folder_of(j.model);
  std::error_code ignored;
  bool const tokenizer = std::filesystem::exists(folder / "tokenizer.json", ignored);
  auto const chat = template_in(folder);
  int const windowed = c.window == 0 ? 0 : c.windowed.empty() ? c.layers : int(std::count(c.windowed.begin(), c.windowed.end(), 1));
  return {{"architecture", name_of_architecture(c.arch)}, {"dtype", name_of(c.type)}, {"layers", c.layers}, {"hidden", c.hidden},
          {"intermediate", c.intermediate}, {"vocabulary", c.vocabulary}, {"heads", c.heads}, {"kv_heads", c.kv_heads},
          {"head_dim", c.head_dim}, {"context", c.context}, {"rope", rope_of(c)}, {"window", c.window}, {"windowed_layers", windowed},
          {"tied", c.tied}, {"bos", list_of(c.bos)}, {"eos", list_of(c.eos)}, {"tokenizer", tokenizer},
          {"chat_template", chat ? json(*chat) : json(nullptr)}};
}

/// Of all weights, by what an engine may be told to keep them as (w4a8 as int4), and of a token's keys and values.
json weight_bytes_of(model_config const& c) {
  return {{"f32", weights::kept_weight_bytes(c, weight_format::checkpoint, 4)}, {"bf16", weights::kept_weight_bytes(c, weight_format::checkpoint, 2)},
          {"int8", weights::kept_weight_bytes(c, weight_format::int8, 2)}, {"int4", weights::kept_weight_bytes(c, weight_format::int4, 2)}};
}
json kv_bytes_of(model_config const& c) {
  return {{"f32", weights::kept_kv_bytes(c, kv_format::activations, 4)}, {"bf16", weights::kept_kv_bytes(c, kv_format::bf16, 2)},
          {"int8", weights::kept_kv_bytes(c, kv_format::int8, 2)}};
}

json needs_of(job const& j, model_config const& c, double bandwidth) {
  auto const f = weights::floors_of(c);
  double const step = f.step_seconds(j.batch, j.context, bandwidth);
  return {{"parameters", f.parameters}, {"weight_bytes", f.weight_bytes}, {"kv_bytes_per_token", f.kv_bytes},
          {"weight_bytes_by_format", weight_bytes_of(c)}, {"kv_bytes_per_token_by_format", kv_bytes_of(c)},
          {"kv_bytes", f.kv_bytes * j.context * j.batch}, {"context", j.context}, {"batch", j.batch},
          {"step_bytes", f.step_bytes}, {"decode_flops_per_token", f.decode_flops(j.context)},
          {"prefill_flops", f.prefill_flops(j.context)}, {"bandwidth", bandwidth}, {"bandwidth_measured", j.bandwidth == 0},
          {"decode_tokens_per_second_floor", j.batch / step}, {"decode_tokens_per_second_floor_empty_context", j.batch / f.step_seconds(j.batch, 0, bandwidth)}};
}

std::string count_text(double n) {
  char text[32];
  if (n >= 1e9) std::snprintf(text, sizeof text, "%.3f G ", n / 1e9);
  else if (n >= 1e6) std::snprintf(text, sizeof text, "%.2f M ", n / 1e6);
  else std::snprintf(text, sizeof text, "%.0f ", n);
  return text;
}

std::string size_text(double bytes) {
  char const* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  while (bytes >= 1024 && unit < 4) bytes /= 1024, ++unit;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.2f %s", bytes, units[unit]);
  return text;
}

void print_names(char const* what, std::vector<std::string> const& names) {
  if (names.empty()) return;
  std::printf("  %s: %zu\n", what, names.size());
  for (std::size_t i = 0; i < names.size() && i < 10; ++i) std::printf("    %s\n", names[i].c_str());
  if (names.size() > 10) std::printf("    … and %zu more (--json lists all)\n", names.size() - 10);
}

std::string sizes_text(json const& by_format) {
  std::string out;
  for (auto const& [format, bytes] : by_format.items())
    out += (out.empty() ? "" : ", ") + size_text(bytes.get<double>()) + " in " + (format == "int4" ? "int4 and w4a8" : format);
  return out;
}

void print(model_config const& c, json const& is, json const& needs, std::optional<presence> const& p) {
  std::printf("%s, %d layers, hidden %d, intermediate %d, vocabulary %d%s\n", name_of_architecture(c.arch), c.layers, c.hidden,
              c.intermediate, c.vocabulary, c.tied ? ", tied head" : "");
  std::printf("  attention      %d heads, %d of keys and values, %d wide; rope %s\n", c.heads, c.kv_heads, c.head_dim, dump_json(is["rope"]).c_str());
  if (c.window > 0) std::printf("  window         %d tokens in %d of %d layers\n", c.window, is["windowed_layers"].get<int>(), c.layers);
  std::printf("  context        %d tokens\n", c.context);
  std::printf("  ends with      %s\n", dump_json(is["eos"]).c_str());
  std::printf("  text           tokenizer %s, chat template %s\n", is["tokenizer"].get<bool>() ? "present" : "absent",
              is["chat_template"].is_null() ? "absent" : is["chat_template"].get<std::string>().c_str());
  std::printf("needs\n  weights        %s (%sparameters, %s)\n", size_text(needs["weight_bytes"].get<double>()).c_str(),
              count_text(needs["parameters"].get<double>()).c_str(), std::string(name_of(c.type)).c_str());
  std::printf("  keys, values   %s per token; %s for %d x %d tokens%s\n", size_text(needs["kv_bytes_per_token"].get<double>()).c_str(),
              size_text(needs["kv_bytes"].get<double>()).c_str(), needs["batch"].get<int>(), needs["context"].get<int>(),
              needs["context"] == c.context ? " (all that the model was made for)" : "");
  std::printf("  kept as        weights: %s\n", sizes_text(needs["weight_bytes_by_format"]).c_str());
  std::printf("                 keys and values of a token: %s\n", sizes_text(needs["kv_bytes_per_token_by_format"]).c_str());
  std::printf("floor at %.1f GB/s%s\n", needs["bandwidth"].get<double>() / 1e9, needs["bandwidth_measured"].get<bool>() ? " (measured just now)" : "");
  std::printf("  decode         %.4g tokens/s at batch %d with empty context, %.4g at %d tokens; a step reads %s of weights\n",
              needs["decode_tokens_per_second_floor_empty_context"].get<double>(), needs["batch"].get<int>(),
              needs["decode_tokens_per_second_floor"].get<double>(), needs["context"].get<int>(), size_text(needs["step_bytes"].get<double>()).c_str());
  std::printf("tensors\n");
  if (!p) return void(std::printf("  no weights here (*.safetensors): what stands above is from config.json alone\n"));
  if (p->whole()) std::printf("  every expected tensor is present\n");
  print_names("missing", p->missing);
  print_names("not as expected", p->wrong);
  print_names("unexpected, not read", p->unexpected);
}

}  // namespace

int run_inspect(int argc, char** argv) {
  job j;
  double gigabytes = 0;
  cli::options o("inspect", "Says what a model is, what it needs, what bounds its speed, and whether all its tensors are there. A config.json is "
                            "enough for all but the last.");
  o.text("--model", "DIR", j.model, "model directory in Hugging Face layout, or a config.json").required();
  o.number("--context", "N", j.context, 1, 1 << 27, "tokens per sequence for the size of the KV cache; at most what the model was made for");
  o.number("--batch", "N", j.batch, 1, 1 << 20, "sequences");
  o.number("--bandwidth", "GB/S", gigabytes, 0, 1e6, "memory bandwidth of the floor; 0: measure it (0.3 s)");
  o.flag("--json", j.as_json, "one JSON object instead of text");
  o.notes("Exit code 1 where there are weights and an expected tensor is missing or of another shape or dtype. Without weights \"tensors\" of --json is null.");
  if (auto exit_code = o.parse(argc, argv)) return *exit_code;
  j.bandwidth = gigabytes * 1e9;

  model_config config = read_config(j.model).config;
  j.context = std::min(j.context, config.context);
  std::optional<presence> p;
  if (auto const folder = folder_of(j.model); has_weights(folder)) {
    weights::checkpoint const files(folder);
    if (auto const stored = files.type()) config.type = *stored;   // the files know better than config.json
    p = compare(config, files);
  }
  json const is = describe(j, config);
  json const needs = needs_of(j, config, j.bandwidth > 0 ? j.bandwidth : weights::measure_read_bandwidth());
  if (j.as_json) {
    json const tensors = p ? json{{"present", p->whole()}, {"missing", p->missing}, {"wrong", p->wrong}, {"unexpected", p->unexpected}} : json(nullptr);
    std::printf("%s\n", dump_json({{"model", is}, {"needs", needs}, {"tensors", tensors}}).c_str());
  } else {
    print(config, is, needs, p);
  }
  return !p || p->whole() ? cli::success : cli::failure;
}
