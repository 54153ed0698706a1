// Errors in OpenAI's shape: {"error":{"message","type","param","code"}}, all four keys always there, `code` a string or
// null. Reports are capped so that a small bad request cannot buy a large answer: the first 10 problems, at most 200
// characters of an offending value, at most 1000 per problem.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "verbatim/protocol/exchange.hpp"
#include "verbatim/protocol/wire.hpp"

namespace verbatim {

/// One refusal. `param` is a dotted path (`messages.0.role`) or empty; `code` may be empty.
struct api_error {
  int status = 400;
  std::string message{}, param{}, code{};
  int retry_after = 0;   ///< seconds; 0: no Retry-After header
};

/// OpenAI's `type` for a status.
constexpr std::string_view error_type(int status) noexcept {
  if (status == 401) return "authentication_error";
  if (status == 403) return "permission_error";
  if (status == 429) return "rate_limit_error";
  if (status >= 500) return "server_error";
  return "invalid_request_error";
}

/// The body of an error answer, and of an error event in a stream. `status_codes`: `code` is the status as a number, as vLLM has
/// it, and the name of the error moves to `reason`.
inline std::string error_body(api_error const& e, bool status_codes = false) {
  auto const text_or_null = [](std::string& out, std::string_view s) {
    if (s.empty()) out += "null"; else wire::put_string(out, s);
  };
  std::string out = "{\"error\":{\"message\":";
  wire::put_string(out, e.message);
  out += ",\"type\":";
  wire::put_string(out, error_type(e.status));
  out += ",\"param\":";
  text_or_null(out, e.param);
  if (status_codes) out += ",\"code\":" + std::to_string(e.status) + ",\"reason\":";
  else out += ",\"code\":";
  text_or_null(out, e.code);
  return out += "}}";
}

inline http_response error_response(api_error const& e, bool status_codes = false) {
  http_response answer;
  answer.head.status = e.status;
  if (e.retry_after > 0) answer.head.headers.emplace_back("Retry-After", std::to_string(e.retry_after));
  if (e.status == 401) answer.head.headers.emplace_back("WWW-Authenticate", "Bearer");
  answer.body = error_body(e, status_codes);
  return answer;
}

/// Gathers what is wrong with one request.
class problems {
 public:
  static constexpr std::size_t shown = 10, message_bytes = 1000, value_bytes = 200;

  void add(std::string_view param, std::string_view message, std::string_view code = {}) {
    if (++count_ > shown) return;
    list_.push_back({422, std::string(wire::utf8_prefix(message, message_bytes)),
                     std::string(wire::utf8_prefix(param, value_bytes)), std::string(code)});
  }
  bool empty() const noexcept { return count_ == 0; }
  std::size_t size() const noexcept { return count_; }
  std::vector<api_error> const& list() const noexcept { return list_; }

  /// All of them as one error: `param` and `code` are those of the first. Only when not empty.
  api_error error() const {
    api_error e = list_.front();
    if (count_ == 1) return prefixed(e), e;
    std::string all = std::to_string(count_) + " errors:";
    for (api_error const& one : list_) all += "\n  " + (one.param.empty() ? "" : one.param + ": ") + one.message;
    if (count_ > list_.size()) all += "\n  and " + std::to_string(count_ - list_.size()) + " more";
    e.message = std::move(all);
    return e;
  }

 private:
  static void prefixed(api_error& e) {
    if (!e.param.empty()) e.message = e.param + ": " + e.message;
  }
  std::vector<api_error> list_;
  std::size_t count_ = 0;
};

/// A Warning header (RFC 7234) that names ignored fields, in characters that a header may have.
inline std::string warning_of(std::vector<std::string> const& names) {
  std::string out = "299 - \"ignored fields: ";
  bool first = true;
  for (std::string const& name : names) {
    if (!first) out += ", ";
    first = false;
    for (char c : std::string_view(name).substr(0, 64)) out += c > ' ' && c < 0x7f && c != '"' && c != '\\' ? c : '?';
  }
  return out += '"';
}

}  // namespace verbatim
