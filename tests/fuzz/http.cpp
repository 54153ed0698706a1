// Any bytes on a connection of the real server, with a scripted engine behind it: no crash, no hang, and what comes back is
// empty or begins with an HTTP status line. A fresh loopback connection per input; the input is sent, then its end.
#include <arpa/inet.h>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <future>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/time.h>
#include <thread>
#include <unistd.h>

#include "../http/fake_engine.hpp"
#include "verbatim/front/openai_front.hpp"

namespace {

unsigned short serve_for_ever() {
  auto const ready = new std::promise<unsigned short>;
  std::thread([ready] {
    fake::engine engine;
    verbatim::openai o;
    o.port = 0;
    o.handle_signals = false;
    o.http.header_timeout = o.http.body_timeout = o.http.idle_timeout = o.http.linger = std::chrono::milliseconds(200);
    o.ready = [ready](unsigned short port) { ready->set_value(port); };
    verbatim::serve_with(engine, o);
  }).detach();
  return ready->get_future().get();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static unsigned short const port = serve_for_ever();
  std::string_view const bytes(reinterpret_cast<char const*>(data), size);
  if (bytes.find("[s") != bytes.npos) return 0;   // scripted delays
  int const s = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (s < 0 || ::connect(s, reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0) std::abort();
  timeval const limit{20, 0};
  ::setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  linger const reset{1, 0};   // no TIME_WAIT: thousands of connections a minute
  ::setsockopt(s, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  bool open = size == 0 || ::send(s, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0;
  if (open && size % 4 == 0) ::shutdown(s, SHUT_WR);   // the others wait for an answer or a timeout
  std::string out;
  char piece[4096];
  for (ssize_t n; open && (n = ::recv(s, piece, sizeof piece, 0)) != 0;) {
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) std::abort();   // a hang
    if (n < 0) break;
    if (out.size() < 64) out.append(piece, std::size_t(n));
  }
  ::close(s);
  if (!out.empty() && out.compare(0, 9, "HTTP/1.1 ") != 0) std::abort();
  return 0;
}
