// The scripted engine behind the real server on a free loopback port, and a raw client that sends what it is told.
#pragma once
#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <cstdlib>
#include <future>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <utility>

#include "fake_engine.hpp"
#include "verbatim/front/openai_front.hpp"

namespace fake {

/// Runs until it goes out of scope, then drains.
class server {
 public:
  explicit server(verbatim::openai options = {}, std::size_t queue = 4096, int room = 1 << 20) : engine_(queue, room) {
    std::promise<unsigned short> ready;
    options.port = 0;
    options.handle_signals = false;
    options.drain_time = std::chrono::milliseconds(500);
    options.stop = &stop_;
    options.ready = [&](unsigned short port) { ready.set_value(port); };
    auto future = ready.get_future();
    thread_ = std::thread([this, options] { exit_code_ = verbatim::serve_with(engine_, options); });
    port_ = future.get();
  }
  ~server() { finish(); }
  int finish() {
    stop_.store(true);
    if (thread_.joinable()) thread_.join();
    return exit_code_;
  }
  void stop_soon() { stop_.store(true); }
  fake::engine& engine() { return engine_; }
  unsigned short port() const { return port_; }
  verbatim::engine_stats stats() { return engine_.jobs().stats(); }
  std::size_t unfinished() { return engine_.jobs().unfinished(); }
  /// True when nothing is left in the engine within two seconds.
  bool calm() {
    for (int i = 0; i < 2000 && unfinished() > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return unfinished() == 0;
  }

 private:
  fake::engine engine_;
  std::atomic<bool> stop_{false};
  std::thread thread_;
  unsigned short port_ = 0;
  int exit_code_ = -1;
};

struct answer {
  int status = 0;
  std::string head, body;
  bool has(std::string_view text) const { return head.find(text) != head.npos || body.find(text) != body.npos; }
};

/// A blocking client with a ten-second limit on each read: a hang is a failure, not a wait.
class client {
 public:
  explicit client(unsigned short port) : socket_(io_) {
    socket_.connect({boost::asio::ip::make_address("127.0.0.1"), port});
    timeval const limit{10, 0};
    ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  }
  /// False: the server does not take it any more.
  bool send(std::string_view bytes) {
    boost::system::error_code ec;
    boost::asio::write(socket_, boost::asio::buffer(bytes), ec);
    return !ec;
  }
  /// Some bytes; empty at the end of the connection (or after ten seconds, which is then said by `timed_out`).
  std::string some(std::size_t most = 65536) {
    std::string out(most, '\0');
    ssize_t const n = ::recv(socket_.native_handle(), out.data(), out.size(), 0);
    timed_out = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    out.resize(n > 0 ? std::size_t(n) : 0);
    return out;
  }
  std::string until_closed() {
    std::string out;
    for (std::string piece; !(piece = some()).empty();) out += piece;
    return out;
  }
  /// One whole answer, sized or chunked (the frames are taken off).
  answer receive() {
    answer a;
    std::size_t end;
    while ((end = held_.find("\r\n\r\n")) == held_.npos)
      if (!more()) return a;
    a.head = held_.substr(0, end + 4);
    held_.erase(0, end + 4);
    a.status = std::atoi(a.head.c_str() + 9);
    if (auto at = a.head.find("Content-Length: "); at != a.head.npos) {
      auto const size = std::size_t(std::atoll(a.head.c_str() + at + 16));
      while (held_.size() < size && more()) {}
      a.body = held_.substr(0, size);
      held_.erase(0, size);
    } else if (a.head.find("chunked") != a.head.npos) {
      for (;;) {
        while (held_.find("\r\n") == held_.npos)
          if (!more()) return a;
        auto const size = std::size_t(std::strtoull(held_.c_str(), nullptr, 16));
        held_.erase(0, held_.find("\r\n") + 2);
        while (held_.size() < size + 2)
          if (!more()) return a;
        a.body += held_.substr(0, size);
        held_.erase(0, size + 2);
        if (size == 0) break;
      }
    }
    return a;
  }
  answer post(std::string_view path, std::string_view body, std::string_view extra = {}) {
    send(request("POST", path, body, extra));
    return receive();
  }
  answer get(std::string_view path, std::string_view extra = {}) {
    send("GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n" + std::string(extra) + "\r\n");
    return receive();
  }
  static std::string request(std::string_view method, std::string_view path, std::string_view body, std::string_view extra = {}) {
    return std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(body.size()) + "\r\n" + std::string(extra) + "\r\n" + std::string(body);
  }
  void close() { socket_.close(); }
  bool timed_out = false;

 private:
  bool more() {
    std::string const piece = some();
    held_ += piece;
    return !piece.empty();
  }
  boost::asio::io_context io_;
  boost::asio::ip::tcp::socket socket_;
  std::string held_;
};

inline std::string say(std::string_view text, std::string_view more = {}) {
  return "{\"messages\":[{\"role\":\"user\",\"content\":\"" + std::string(text) + "\"}]" + std::string(more) + "}";
}

}  // namespace fake
