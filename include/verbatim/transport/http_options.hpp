// Where an HTTP server listens, what it bears, and where it tells of requests: addresses, limits, timeouts.
#pragma once
#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace verbatim {

struct http_options {
  std::string address = "127.0.0.1";            ///< an IP address or localhost
  unsigned short port = 8000;                   ///< 0: any free one
  int io_threads = 1;                           ///< sockets; they never parse or tokenise
  int workers = 2;                              ///< preparation of requests
  int backlog = 1024;
  int max_connections = 8192;
  int max_requests = 4096;                      ///< being answered at once; beyond it 429
  std::size_t header_bytes = 32 * 1024;         ///< all headers together; beyond it 431
  int max_headers = 100;
  std::size_t body_bytes = 128u << 20;          ///< beyond it 413; a turn of a rollout brings the ids of all earlier ones
  std::size_t all_body_bytes = std::size_t(2) << 30;   ///< of all requests being read; beyond it 503
  std::chrono::milliseconds header_timeout{10'000};  ///< from a request's first byte to the end of its headers
  std::chrono::milliseconds body_timeout{120'000};    ///< one with weights: and as long as it brings a megabyte a second
  std::chrono::milliseconds idle_timeout{120'000};   ///< between requests; longer than the keep-alive of common clients
  std::chrono::milliseconds write_timeout{30'000};   ///< a client that takes nothing (of weights: sends nothing) for that long is gone
  std::chrono::milliseconds heartbeat{10'000};       ///< comments in a silent stream
  std::chrono::milliseconds waiting_beat{1'000};     ///< how often a reply that has nothing to say yet is told that time passes
  std::chrono::milliseconds linger{2'000};           ///< for a refused client to stop sending and read why
  std::function<void(std::string_view)> request_log{};   ///< one line for each request that has ended; called on the threads that serve
                                                         ///< sockets, so it must neither block nor throw
};

}  // namespace verbatim
