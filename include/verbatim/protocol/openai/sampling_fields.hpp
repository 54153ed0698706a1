// The fields that chat and completions share: how to sample, when to stop, what to report. Read into a `request` at once.
// Precedence: the request's field, then the model's generation defaults, then OpenAI's default.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/engine/request.hpp"
#include "verbatim/protocol/fields.hpp"
#include "verbatim/protocol/model_card.hpp"

namespace verbatim::openai_v1 {

/// What both endpoints ask of a generation, and how the answer is to look.
struct generation_fields {
  request ask{};                        ///< without prompt
  std::optional<int> max_tokens{};      ///< absent: the endpoint's default
  std::vector<std::string> bad_words{}; ///< not yet in tokens
  bool stream = false, include_usage = false, continuous_usage = false;
  bool return_token_ids = false;
  std::optional<bool> tokens_as_ids{}, message_bundle{};   ///< absent: the server's default
  bool seeded = false;                  ///< the request gave its seed
  std::optional<bool> weight_versions{};///< whether the answer says which weights sampled what
  bool prompt_logprobs = false;         ///< report them (the engine may compute them for `echo` alone)
  bool special_tokens = false;          ///< add the tokenizer's own (beginning of sequence) to a text prompt
  std::string request_id{}, rid{}, model{};   ///< vLLM's and SGLang's name of the request: either or both
};

inline constexpr std::int64_t int_max = std::numeric_limits<std::int32_t>::max();

/// A seed that no two requests share.
inline std::uint64_t fresh_seed() {
  thread_local std::mt19937_64 source = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
    return std::mt19937_64(seed);
  }();
  return source();
}

/// Ids that go into headers, logs and bodies unescaped.
inline bool is_request_id(std::string_view s) noexcept {
  if (s.empty() || s.size() > 128) return false;
  for (char c : s)
    if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.' || c == ':')) return false;
  return true;
}

namespace detail {

inline void read_ids(fields& f, std::string_view name, int vocabulary, std::size_t most, std::vector<token>& out) {
  json const* list = f.array(name, most);
  if (!list) return;
  for (std::size_t i = 0; i < list->size(); ++i) {
    auto const id = as_integer((*list)[i]);
    if (id && *id >= 0 && *id < vocabulary)
      out.push_back(token(*id));
    else
      f.add(std::string(name) + "." + std::to_string(i), "expected a token id below " + std::to_string(vocabulary) + ", found " + excerpt((*list)[i]));
  }
}

inline void read_strings(fields& f, std::string_view name, std::size_t most, std::size_t bytes, std::vector<std::string>& out) {
  json const* list = f.array(name, most);
  if (!list) return;
  for (std::size_t i = 0; i < list->size(); ++i) {
    json const& v = (*list)[i];
    if (v.is_string() && !v.get_ref<std::string const&>().empty() && v.get_ref<std::string const&>().size() <= bytes)
      out.push_back(v.get<std::string>());
    else
      f.add(std::string(name) + "." + std::to_string(i), "expected a string of 1 to " + std::to_string(bytes) + " bytes, found " + excerpt(v));
  }
}

inline void read_stops(fields& f, request& ask, model_card const& card, request_bounds const& bounds) {
  json const* stop = f.find("stop");
  if (stop && stop->is_string()) {
    auto text = f.text("stop", bounds.max_stop_bytes);
    if (text && text->empty()) f.add("stop", "a stop string must not be empty");
    if (text && !text->empty()) ask.stop.push_back(std::move(*text));
  } else if (stop) {
    read_strings(f, "stop", std::size_t(bounds.max_stops), bounds.max_stop_bytes, ask.stop);
  }
  read_ids(f, "stop_token_ids", card.vocabulary, std::size_t(bounds.max_stop_ids), ask.stop_token_ids);
  ask.include_stop_text = f.boolean("include_stop_str_in_output").value_or(false);
  ask.ignore_eos = f.boolean("ignore_eos").value_or(false);
  ask.skip_special_tokens = f.boolean("skip_special_tokens").value_or(true);
}

inline void read_bias(fields& f, sampling_params& s, model_card const& card, request_bounds const& bounds) {
  json const* bias = f.object("logit_bias");
  if (!bias) return;
  if (int(bias->size()) > bounds.max_bias) return f.add("logit_bias", "more than " + std::to_string(bounds.max_bias) + " entries");
  for (auto const& [key, value] : bias->items()) {
    std::int64_t id = -1;
    auto const [end, failed] = std::from_chars(key.data(), key.data() + key.size(), id);
    std::string const name = "logit_bias." + key;
    if (failed != std::errc{} || end != key.data() + key.size() || id < 0 || id >= card.vocabulary)
      f.add(name, "the key is not a token id below " + std::to_string(card.vocabulary));
    else if (!value.is_number() || !(std::abs(value.get<double>()) <= 100))
      f.add(name, "expected a number from -100 to 100, found " + excerpt(value));
    else
      s.logit_bias.emplace_back(token(id), value.get<float>());
  }
}

/// True when the request gave a seed; else the seed is a fresh one.
inline bool read_sampler(fields& f, sampling_params& s, sampling_defaults const& d) {
  s.temperature = f.number("temperature", {0, 2}).value_or(d.temperature.value_or(1.0f));
  if (s.temperature < 1e-5f) s.temperature = 0;   // greedy: below this, dividing logits by it only makes infinities
  s.top_p = f.number("top_p", {0, 1, true}).value_or(d.top_p.value_or(1.0f));
  if (s.top_p == 0) s.top_p = std::numeric_limits<float>::min();   // a model's default may be 0: the most likely token alone
  s.min_p = f.number("min_p", {0, 1}).value_or(d.min_p.value_or(0.0f));
  s.top_k = int(f.integer("top_k", -1, int_max).value_or(d.top_k.value_or(0)));
  if (s.top_k < 0) s.top_k = 0;
  s.frequency_penalty = f.number("frequency_penalty", {-2, 2}).value_or(0.0f);
  s.presence_penalty = f.number("presence_penalty", {-2, 2}).value_or(0.0f);
  s.repetition_penalty = f.number("repetition_penalty", {0, 1000, true}).value_or(d.repetition_penalty.value_or(1.0f));
  auto const seed = f.integer("seed", std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max());
  bool const given = seed && *seed != -1;
  s.seed = given ? std::uint64_t(*seed) : fresh_seed();
  return given;
}

inline void read_stream(fields& f, generation_fields& g) {
  g.stream = f.boolean("stream").value_or(false);
  json const* options = f.object("stream_options");
  if (!options) return;
  if (!g.stream) return f.add("stream_options", "only with stream: true");
  fields o(*options, f.at("stream_options"), f.report());
  g.include_usage = o.boolean("include_usage").value_or(false);
  g.continuous_usage = o.boolean("continuous_usage_stats").value_or(false);
}

/// Replay, and of which distribution log-probabilities are.
inline void read_replay(fields& f, request& ask, model_card const& card) {
  read_ids(f, "forced_token_ids", card.vocabulary, std::size_t(std::max(card.context, 1)), ask.forced);
  json const* mode = f.find("logprobs_mode");
  if (!mode) return;
  std::string const name = mode->is_string() ? mode->get<std::string>() : std::string();
  if (name == "raw" || name == "raw_logprobs") ask.logprobs = logprobs_mode::raw;
  else if (name == "both") ask.logprobs = logprobs_mode::both;
  else if (name != "processed" && name != "processed_logprobs") f.add("logprobs_mode", "expected processed, raw or both, found " + excerpt(*mode));
}

/// A user's own stages read their values by name: {"name": number}.
inline void read_extra(fields& f, sampling_params& s) {
  json const* extra = f.object("vllm_xargs");
  if (!extra) return;
  if (extra->size() > 64) return f.add("vllm_xargs", "more than 64 entries");
  for (auto const& [key, value] : extra->items()) {
    if (value.is_number()) s.extra.emplace_back(key, value.get<double>());
    else f.add("vllm_xargs." + key, "expected a number, found " + excerpt(value));
  }
}

/// What is known from OpenAI, vLLM or SGLang and would change the answer, but is not offered.
inline void refuse_unoffered(fields& f) {
  f.refuse({"structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar", "guided_decoding_backend",
            "regex", "ebnf", "json_schema", "grammar", "stop_regex", "use_beam_search", "length_penalty", "early_stopping",
            "prompt_embeds", "allowed_token_ids", "logprob_token_ids", "truncate_prompt_tokens", "truncation_side",
            "cache_salt", "kv_transfer_params", "repetition_detection", "thinking_token_budget", "max_thinking_tokens",
            "lora_path", "lora_request", "logits_processors", "custom_logit_processor", "session_params", "input_embeds",
            "return_hidden_states", "return_routed_experts", "routed_experts_prompt_start", "mm_processor_kwargs"});
  f.only("response_format", [](json const& v) { return v.is_object() && v.size() == 1 && v.value("type", json()) == "text"; },
         "only {\"type\": \"text\"} is offered by this server");
  f.only("priority", [](json const& v) { return v == 0; }, "requests are served first come, first served; only 0 is taken");
  f.only("spaces_between_special_tokens", [](json const& v) { return v == true; }, "only true is offered");
  f.ignore({"user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention",
            "prediction", "session_id", "stream_interval"});
}

}  // namespace detail

/// Reads the shared fields. Problems go to the report of `f`.
inline generation_fields read_generation(fields& f, model_card const& card, request_bounds const& bounds) {
  generation_fields g;
  request& ask = g.ask;
  g.seeded = detail::read_sampler(f, ask.sampling, card.defaults);
  detail::read_stops(f, ask, card, bounds);
  detail::read_bias(f, ask.sampling, card, bounds);
  detail::read_extra(f, ask.sampling);
  detail::read_strings(f, "bad_words", std::size_t(bounds.max_bad_words), 256, g.bad_words);
  detail::read_stream(f, g);
  detail::read_replay(f, ask, card);
  g.weight_versions = f.boolean("return_weight_versions");
  ask.count = int(f.integer("n", 1, bounds.max_n).value_or(1));
  ask.sampling.min_tokens = int(f.integer("min_tokens", 0, int_max).value_or(0));
  ask.prompt_logprobs = int(f.integer("prompt_logprobs", 0, card.max_logprobs).value_or(-1));
  g.prompt_logprobs = ask.prompt_logprobs >= 0;
  if (g.stream && g.prompt_logprobs) f.add("prompt_logprobs", "not with stream: true");
  g.return_token_ids = f.boolean("return_token_ids").value_or(false);
  g.tokens_as_ids = f.boolean("return_tokens_as_token_ids");
  g.model = f.text("model", 1024).value_or("");
  if (!g.model.empty() && g.model != card.name)
    f.add("model", "the model '" + std::string(wire::utf8_prefix(g.model, problems::value_bytes)) + "' does not exist: this server has '" + card.name + "'",
          "model_not_found");
  g.request_id = f.text("request_id", 128).value_or("");
  g.rid = f.text("rid", 128).value_or("");
  for (auto const& [name, value] : {std::pair<std::string_view, std::string const&>{"request_id", g.request_id}, {"rid", g.rid}})
    if (!value.empty() && !is_request_id(value)) f.add(name, "expected letters, digits and any of -_.:");
  if (g.request_id.empty()) g.request_id.swap(g.rid);
  detail::refuse_unoffered(f);
  return g;
}

/// Tokens that are given need room: without max_tokens there are as many as are given.
inline void fit_forced(fields& f, generation_fields& g) {
  if (g.ask.forced.empty()) return;
  int const given = int(g.ask.forced.size());
  if (!g.max_tokens) g.max_tokens = given;
  else if (given > *g.max_tokens) f.add("forced_token_ids", "more tokens than the answer may have");
}

/// After the prompt is known: max_tokens becomes what is left of the context, or less where less was asked for. Only a prompt
/// that leaves no room is refused (`context length` and `max_tokens` stand in no other answer with status 400: clients go by them).
inline std::optional<api_error> fit_context(generation_fields const& g, request& ask, int context, std::string_view param) {
  std::int64_t const left = std::int64_t(context) - std::int64_t(ask.prompt.size());
  bool const scores_only = g.max_tokens && *g.max_tokens == 0;
  if (left < 0 || (left == 0 && !scores_only))
    return api_error{400, "This model's maximum context length is " + std::to_string(context) + " tokens. However, the prompt has " +
                              std::to_string(ask.prompt.size()) + " tokens, which leaves no room for output.",
                     std::string(param), "context_length_exceeded"};
  if (std::int64_t(ask.forced.size()) > left)
    return api_error{422, "forced_token_ids: prompt and given tokens are longer than " + std::to_string(context) + " tokens", "forced_token_ids"};
  ask.max_tokens = int(g.max_tokens ? std::min<std::int64_t>(*g.max_tokens, left) : left);
  if (ask.sampling.min_tokens > ask.max_tokens)
    return api_error{422, "min_tokens: " + std::to_string(ask.sampling.min_tokens) + " is more than the answer may have, " + std::to_string(ask.max_tokens),
                     "min_tokens"};
  return std::nullopt;
}

/// Token sequences that must not appear: each word as it is, and with a space before it where that is another token.
template <class Text> void add_bad_words(Text const& text, std::vector<std::string> const& words, sampling_params& s) {
  for (std::string const& word : words) {
    std::string_view bare = word;
    while (!bare.empty() && bare.front() == ' ') bare.remove_prefix(1);
    if (bare.empty()) bare = word;
    std::vector<token> plain, spaced;
    text.encode(bare, plain);
    text.encode(" " + std::string(bare), spaced);
    bool const other = !spaced.empty() && !plain.empty() && spaced.size() == plain.size() && spaced[0] != plain[0];
    if (!plain.empty()) s.bad_words.push_back(std::move(plain));
    if (other) s.bad_words.push_back(std::move(spaced));
  }
}

}  // namespace verbatim::openai_v1
