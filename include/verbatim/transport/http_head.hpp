// Heads of HTTP/1.1 answers as text, and the frames of chunked bodies.
#pragma once
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "verbatim/protocol/exchange.hpp"

namespace verbatim {

constexpr std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 204: return "No Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    default: return "Status";
  }
}

/// How the body's end is told.
enum class framing { sized, chunked, until_close };

/// Status line and headers. Values are free of line breaks by construction of the handlers; if not, they are cut there.
inline void put_head(std::string& out, http_head const& head, framing f, std::size_t body, bool keep_alive) {
  auto const put = [&](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value.substr(0, value.find_first_of("\r\n"))).append("\r\n");
  };
  out.append("HTTP/1.1 ").append(std::to_string(head.status)).append(" ").append(reason_phrase(head.status)).append("\r\n");
  if (!head.content_type.empty()) put("Content-Type", head.content_type);
  if (f == framing::sized && head.status != 204) put("Content-Length", std::to_string(body));
  if (f == framing::chunked) put("Transfer-Encoding", "chunked");
  put("Connection", keep_alive ? "keep-alive" : "close");
  for (auto const& [name, value] : head.headers) put(name, value);
  out += "\r\n";
}

/// One chunk; an empty one would end the body, so nothing is written for it.
inline void put_chunk(std::string& out, std::string_view bytes) {
  if (bytes.empty()) return;
  char size[20];
  out.append(size, std::to_chars(size, size + sizeof size, bytes.size(), 16).ptr);
  out.append("\r\n").append(bytes).append("\r\n");
}
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

}  // namespace verbatim
