// Paths, and small things about requests as a whole: their ids, hosts, content types and warnings.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/protocol/exchange.hpp"
#include "verbatim/protocol/openai/sampling_fields.hpp"

namespace verbatim::openai_v1 {

enum class endpoint : std::uint8_t { chat, completions, tokenize, detokenize, models, model, health, version, metrics };

struct route {
  std::string_view path;
  endpoint what;
  bool post;
};

inline std::optional<route> find_route(std::string_view path) noexcept {
  constexpr std::array<route, 11> routes{{{"/v1/chat/completions", endpoint::chat, true},
                                          {"/v1/completions", endpoint::completions, true},
                                          {"/tokenize", endpoint::tokenize, true},
                                          {"/v1/tokenize", endpoint::tokenize, true},
                                          {"/detokenize", endpoint::detokenize, true},
                                          {"/v1/detokenize", endpoint::detokenize, true},
                                          {"/v1/models", endpoint::models, false},
                                          {"/health", endpoint::health, false},
                                          {"/version", endpoint::version, false},
                                          {"/metrics", endpoint::metrics, false},
                                          {"/v1/models/", endpoint::model, false}}};
  for (route const& r : routes)
    if (path == r.path || (r.what == endpoint::model && path.size() > r.path.size() && path.substr(0, r.path.size()) == r.path)) return r;
  return std::nullopt;
}

/// application/json, with or without parameters.
inline bool is_json(std::string_view content_type) noexcept {
  std::string_view kind = content_type.substr(0, content_type.find(';'));
  while (!kind.empty() && (kind.back() == ' ' || kind.back() == '\t')) kind.remove_suffix(1);
  return same_name(kind, "application/json");
}

/// localhost or an address literal, with or without a port. A web page cannot make a browser send such a Host from
/// another site, a name that its owner points at 127.0.0.1 can.
inline bool is_local_host(std::string_view host) noexcept {
  if (host.empty()) return true;   // HTTP/1.0, in-process
  if (host.front() == '[') return true;
  host = host.substr(0, host.find(':'));
  if (same_name(host, "localhost")) return true;
  return !host.empty() && host.find_first_not_of("0123456789.") == host.npos;
}

inline std::string random_id() {
  constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (int half = 0; half < 2; ++half) {
    std::uint64_t bits = fresh_seed();
    for (int i = 0; i < 16; ++i, bits >>= 4) out += hex[bits & 15];
  }
  return out;
}

inline std::int64_t seconds_since_1970() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace verbatim::openai_v1
