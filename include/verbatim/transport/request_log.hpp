// One line about a request that has ended, for a log: what was asked, the status, how long it took, and tokens where the handler counts
// them. Of a target only the path is told: queries, and names before a host, may hold secrets. Whatever a client sends, a line is one line
// of printable ASCII and bounded.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include "verbatim/protocol/exchange.hpp"

namespace verbatim {

/// Bytes outside of printable ASCII, backslashes and quotes become \xNN; beyond `most` bytes of `text` there are three dots.
inline std::string shown_in_log(std::string_view text, std::size_t most) {
  std::string out;
  for (unsigned char c : text.substr(0, most)) {
    bool const plain = c > ' ' && c < 0x7f && c != '\\' && c != '"';
    char code[5];
    if (!plain) std::snprintf(code, sizeof code, "\\x%02x", unsigned(c));
    if (plain) out += char(c); else out += code;
  }
  return text.size() > most ? out + "..." : out;
}

/// What may be told of a target's path (RFC 9112, 3.2): no scheme and authority, no fragment; "-" for an authority alone.
inline std::string_view told_path(std::string_view path) {
  path = path.substr(0, path.find('#'));
  if (path.starts_with('/') || path == "*") return path;
  auto const authority = path.find("://");
  if (authority == path.npos) return "-";
  auto const begin = path.find('/', authority + 3);
  return begin == path.npos ? "/" : path.substr(begin);
}

/// A request on its way to the log.
class request_record {
 public:
  static constexpr std::size_t method_bytes = 16, path_bytes = 96;

  /// Once the head was read; until then both are "-".
  void asks(http_request const& r) {
    method_ = shown_in_log(r.method, method_bytes);
    path_ = shown_in_log(told_path(r.path()), path_bytes);
  }
  /// The head of an answer goes out.
  void answers(int status) noexcept { status_ = status; }
  /// Nothing came of it: neither understood nor answered.
  bool empty() const noexcept { return status_ == 0 && method_ == "-"; }

  /// `whole`: all of the answer was written. Without a status there was none to write.
  std::string line(bool whole, token_counts tokens) const {
    double const ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - since_).count();
    char text[96];
    std::snprintf(text, sizeof text, " %s %.1f ms", status_ ? std::to_string(std::clamp(status_, 0, 999)).c_str() : "-", ms);
    std::string out = method_ + " " + path_ + text;
    if (tokens.known) out += ", " + std::to_string(tokens.in) + " tokens in, " + std::to_string(tokens.out) + " out";
    return whole ? out : out + ", cut short";
  }

 private:
  std::chrono::steady_clock::time_point since_ = std::chrono::steady_clock::now();
  std::string method_ = "-", path_ = "-";
  int status_ = 0;
};

}  // namespace verbatim
