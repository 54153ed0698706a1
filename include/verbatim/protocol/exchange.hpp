// The nouns between a protocol and a transport: a request that came in, the head of an answer, and how far it is.
// No socket here and no OpenAI: HTTP, an in-process call and a test all speak these.
//
// A handler H gives `H::reply` objects (held by shared_ptr) with:
//   poll(std::string& out) -> reply_state   appends what can be written now; only one thread at a time
//   head() -> http_head const&              once poll has said anything but `waiting`
//   heartbeat(std::string& out)             appends what keeps a silent stream alive
//   cancel() noexcept                       the client has gone; thread-safe
// and may give `tokens() -> token_counts`, for a log, from the thread that polls.
#pragma once
#include <concepts>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace verbatim {

/// Compares header names: ASCII letters without case.
inline bool same_name(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  auto const lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
  for (std::size_t i = 0; i < a.size(); ++i)
    if (lower(a[i]) != lower(b[i])) return false;
  return true;
}

/// A request as it came over the wire. `target` is the path with its query.
struct http_request {
  std::string method = "GET", target = "/";
  std::vector<std::pair<std::string, std::string>> headers{};
  std::string body{};
  std::shared_ptr<void> room{};   ///< of a body that is only taken one at a time: to be kept as long as its bytes

  /// The first header of that name, or empty.
  std::string_view header(std::string_view name) const noexcept {
    for (auto const& [key, value] : headers)
      if (same_name(key, name)) return value;
    return {};
  }
  std::string_view path() const noexcept { return std::string_view(target).substr(0, target.find('?')); }
};

/// Status and headers of an answer. Length and connection headers are the transport's.
struct http_head {
  int status = 200;
  std::string content_type = "application/json";
  bool stream = false;   ///< framed as a stream even when all of it is there at once
  std::vector<std::pair<std::string, std::string>> headers{};
};

/// A whole answer.
struct http_response {
  http_head head{};
  std::string body{};
};

/// Of a generation, as far as its answer has come.
struct token_counts {
  bool known = false;
  long in = 0, out = 0;
};

enum class reply_state {
  waiting,    ///< nothing is known yet
  streaming,  ///< the head is known; more may come
  complete,   ///< the head is known and what has been appended is the end
};

/// Told, from any thread, that `poll` has something new to say. Must not block.
using waker = std::function<void()>;

/// What a transport asks of a handler.
/// admit: looks at a request without its body; an answer refuses it before the body is read.
/// open: cheap; the reply may already be complete (then `work` must not be called).
/// beat: told now and then while nothing is known yet, on the connection's thread; a reply that waits too long may give up.
/// work: parses, tokenises, submits; may take long, is called once, on a worker, and never throws.
template <class H>
concept http_handler = requires(H& h, http_request r, waker w, std::shared_ptr<typename H::reply> const& reply,
                                std::string& out) {
  { h.admit(r) } -> std::same_as<std::optional<http_response>>;
  { h.open(std::move(r), std::move(w)) } -> std::same_as<std::shared_ptr<typename H::reply>>;
  { reply->needs_work() } -> std::same_as<bool>;
  { h.work(reply) } -> std::same_as<void>;
  { h.failure(0, std::string_view()) } -> std::same_as<http_response>;
  { reply->poll(out) } -> std::same_as<reply_state>;
  { reply->head() } -> std::same_as<http_head const&>;
  { reply->heartbeat(out) } -> std::same_as<void>;
  { reply->beat() } -> std::same_as<void>;
  { reply->cancel() } -> std::same_as<void>;
};

}  // namespace verbatim
