// An asynchronous HTTP/1.1 server for any handler (protocol/exchange.hpp). Sockets are served by `io_threads` threads with
// one strand per connection; requests are prepared by `workers`. It knows nothing of what is served.
// Cost: per written batch of events one system call; per connection about 10 KB while idle.
#pragma once
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "verbatim/core/error.hpp"
#include "verbatim/transport/connection.hpp"

namespace verbatim {

/// The address to bind. Throws error("transport", 2) when it is neither an IP address nor localhost.
inline boost::asio::ip::address bind_address(std::string_view text) {
  if (text == "localhost") return boost::asio::ip::make_address("127.0.0.1");
  boost::system::error_code ec;
  auto const address = boost::asio::ip::make_address(std::string(text), ec);
  if (ec) throw error("transport", 2, "'" + std::string(text) + "' is not an IP address (nor localhost)");
  return address;
}

template <http_handler Handler> class http_server {
  using tcp = boost::asio::ip::tcp;
  using error_code = boost::system::error_code;

 public:
  /// Binds, listens and starts the threads. `handler` must outlive this. Throws error("transport", 2 | 3).
  http_server(Handler& handler, http_options options)
      : shared_(std::make_shared<http_shared<Handler>>(handler, std::move(options))),
        acceptor_(boost::asio::make_strand(shared_->io)), retry_(acceptor_.get_executor()), work_(shared_->io.get_executor()) {
    listen();
    accept();
    for (int i = 0; i < shared_->options.io_threads; ++i) threads_.emplace_back([s = shared_.get()] { run(*s); });
  }
  ~http_server() { stop(); }
  http_server(http_server const&) = delete;

  unsigned short port() const noexcept { return port_; }
  /// Requests that are being answered.
  int active() const noexcept { return shared_->requests.load(); }
  int connections() const noexcept { return shared_->connections.load(); }
  boost::asio::io_context& io() noexcept { return shared_->io; }

  /// Stops accepting; idle connections close, busy ones do after their answer.
  void drain() {
    shared_->draining.store(true);
    boost::asio::post(acceptor_.get_executor(), [this] { close_acceptor(); });
    each([](auto& c) { c.wind_up(false); });
  }
  /// Closes everything (requests in flight are cancelled) and joins the threads. May be called twice.
  void stop() {
    if (threads_.empty()) return;
    drain();
    each([](auto& c) { c.wind_up(true); });
    shared_->workers.join();
    work_.reset();
    auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    while (connections() > 0 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    shared_->io.stop();
    for (auto& t : threads_) t.join();
    threads_.clear();
  }

 private:
  /// A connection for which there is no memory is lost with the handler that threw; the others go on.
  static void run(http_shared<Handler>& s) {
    for (bool over = false; !over;) try {
      s.io.run();
      over = true;
    } catch (std::bad_alloc const&) {}
  }
  void listen() {
    auto const& o = shared_->options;
    tcp::endpoint const at(bind_address(o.address), o.port);
    error_code ec;
    acceptor_.open(at.protocol(), ec);
    if (!ec) acceptor_.set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec) acceptor_.bind(at, ec);
    if (!ec) acceptor_.listen(o.backlog, ec);
    if (ec) throw error("transport", 3, "cannot listen on " + o.address + " port " + std::to_string(o.port) + ": " + ec.message());
    port_ = acceptor_.local_endpoint(ec).port();
  }
  void accept() {
    acceptor_.async_accept(boost::asio::make_strand(shared_->io), [this](error_code ec, tcp::socket socket) {
      if (!acceptor_.is_open()) return;
      if (ec) return pause();   // out of descriptors, most likely: others will be closed soon
      if (connections() >= shared_->options.max_connections) turn_away(socket);
      else add(std::move(socket));
      accept();
    });
  }
  void pause() {
    retry_.expires_after(std::chrono::milliseconds(50));
    retry_.async_wait([this](error_code ec) {
      if (!ec && acceptor_.is_open()) accept();
    });
  }
  void turn_away(tcp::socket& socket) {
    http_response r = shared_->handler->failure(503, "too many connections");
    std::string out;
    put_head(out, r.head, framing::sized, r.body.size(), false);
    out += r.body;
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(boost::asio::buffer(out), ignored);   // fits an empty socket buffer
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }
  void add(tcp::socket socket) {
    auto c = std::make_shared<connection<Handler>>(std::move(socket), shared_);
    {
      std::lock_guard lock(mutex_);
      if (live_.size() > 64 && live_.size() > 2 * std::size_t(connections()))
        std::erase_if(live_, [](auto const& entry) { return entry.second.expired(); });
      live_[c.get()] = c;
    }
    c->start();
  }
  void close_acceptor() {
    error_code ignored;
    acceptor_.close(ignored);
    retry_.cancel();
  }
  template <class F> void each(F f) {
    std::vector<std::shared_ptr<connection<Handler>>> now;
    {
      std::lock_guard lock(mutex_);
      for (auto const& [key, weak] : live_)
        if (auto c = weak.lock()) now.push_back(std::move(c));
    }
    for (auto& c : now) f(*c);
  }

  std::shared_ptr<http_shared<Handler>> shared_;
  tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::unordered_map<connection<Handler>*, std::weak_ptr<connection<Handler>>> live_;
  unsigned short port_ = 0;
};

}  // namespace verbatim
