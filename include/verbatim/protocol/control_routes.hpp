// The paths by which trainers steer a server, under the names that clients of vLLM, SGLang and prime-rl use, and what they
// send: a JSON body, a query, or both.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <iterator>
#include <string_view>
#include <vector>

#include "verbatim/protocol/exchange.hpp"
#include "verbatim/text/json.hpp"

namespace verbatim::control {

enum class verb : std::uint8_t {
  refit_from_disk, refit, version, relabel, flush, reset, pause, resume, is_paused, pause_generation, continue_generation,
  abort_one, abort_many, checksum, values, world_size, generate_health, model_info, loads
};

/// `changes`: only for who may steer; the others are for every client.
struct route {
  std::string_view path;
  verb what;
  bool get, post, changes;
};

inline std::optional<route> find_route(std::string_view path) noexcept {
  static constexpr std::array<route, 24> routes{{
      {"/update_weights_from_disk", verb::refit_from_disk, false, true, true},
      {"/update_weights", verb::refit, false, true, true},
      {"/get_weight_version", verb::version, true, true, false},
      {"/weight_info", verb::version, true, false, false},
      {"/update_weight_version", verb::relabel, false, true, true},
      {"/flush_cache", verb::flush, true, true, true},
      {"/reset_prefix_cache", verb::reset, false, true, true},
      {"/pause", verb::pause, false, true, true},
      {"/resume", verb::resume, false, true, true},
      {"/is_paused", verb::is_paused, true, false, false},
      {"/pause_generation", verb::pause_generation, false, true, true},
      {"/continue_generation", verb::continue_generation, false, true, true},
      {"/abort_request", verb::abort_one, false, true, true},
      {"/abort_requests", verb::abort_many, false, true, true},
      {"/weights_checker", verb::checksum, false, true, true},
      {"/weight_checker", verb::checksum, false, true, true},
      {"/get_weights_by_name", verb::values, true, true, true},
      {"/get_world_size", verb::world_size, true, false, false},
      {"/health_generate", verb::generate_health, true, false, false},
      {"/get_model_info", verb::model_info, true, false, false},
      {"/v1/loads", verb::loads, true, false, false},
      {"/get_load", verb::loads, true, false, false},
      {"/v1/get_weight_version", verb::version, true, true, false},
      {"/model_info", verb::model_info, true, false, false}}};
  for (route const& r : routes)
    if (path == r.path) return r;
  return std::nullopt;
}

/// A key and its value in a query, `%41` and `+` decoded.
inline std::string form_decoded(std::string_view s) {
  auto const digit = [](char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; };
  std::string out;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '%' && i + 2 < s.size() && digit(s[i + 1]) >= 0 && digit(s[i + 2]) >= 0)
      out += char(digit(s[i + 1]) * 16 + digit(s[i + 2])), i += 2;
    else
      out += s[i] == '+' ? ' ' : s[i];
  }
  return out;
}

/// What a request says: the fields of its JSON body, then those of its query that the body does not have, as text. `false` and
/// `true` in a query are what they say. Throws error("json", 1) where the body is no JSON object.
inline json read_parameters(http_request const& r, bool with_body) {
  json out = json::object();
  if (with_body && !r.body.empty()) {
    out = parse_json(r.body, {.depth = 16, .values = 100'000});
    if (out.is_null()) out = json::object();
    if (!out.is_object()) throw error("json", 1, "the body must be a JSON object");
  }
  std::string_view rest = r.target;
  rest.remove_prefix(std::min(rest.size(), r.path().size() + 1));
  for (int most = 64; !rest.empty() && most > 0; --most) {
    std::string_view const pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    std::string const key = form_decoded(pair.substr(0, pair.find('=')));
    std::string value = pair.find('=') == pair.npos ? std::string() : form_decoded(pair.substr(pair.find('=') + 1));
    if (key.empty() || out.contains(key)) continue;
    if (value == "true" || value == "false" || value == "True" || value == "False") out[key] = value[0] == 't' || value[0] == 'T';
    else out[key] = std::move(value);
  }
  return out;
}

/// Of what was said, what no route of vLLM's, SGLang's or ours knows; at most ten.
inline std::vector<std::string> unknown_parameters(json const& said) {
  static constexpr std::string_view known[] = {
      "abort_all", "abort_all_requests", "action", "allow_rounding", "clear_cache", "flush_cache", "include", "kv_policy", "mode", "model_path", "name",
      "names", "new_version", "request_ids", "reset_running_requests", "rid", "truncate_size", "wait_for_inflight_requests", "weight_dir", "weight_version",
      // of others, without meaning here
      "abort_message", "is_async", "keep_pause", "load_format", "manifest", "recapture_cuda_graph", "reset_connector", "reset_external", "timeout", "token_step",
      "torch_empty_cache"};
  std::vector<std::string> out;
  for (auto const& [name, value] : said.items())
    if (out.size() < 10 && std::find(std::begin(known), std::end(known), name) == std::end(known)) out.push_back(name);
  return out;
}

}  // namespace verbatim::control
