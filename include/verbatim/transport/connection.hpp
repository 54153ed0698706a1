// One HTTP/1.1 connection: reads a request, gives it to the handler, writes the answer, and again. All of it runs on the
// connection's strand; parsing of bodies, templates and tokenisation run on the workers.
// Invariants: one request at a time (pipelined ones wait in a bounded buffer); one write at a time, with everything that
// happened since the last one; a client that goes away cancels its request at once, a silent one is cut off by a timer.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "verbatim/protocol/exchange.hpp"
#include "verbatim/transport/http_head.hpp"
#include "verbatim/transport/http_options.hpp"
#include "verbatim/transport/request_log.hpp"

namespace verbatim {

/// What the connections of one server share. Connections keep it alive.
template <class Handler> struct http_shared {
  http_shared(Handler& h, http_options o)
      : handler(&h), options(std::move(o)), io(options.io_threads), workers(std::size_t(options.workers)) {}
  Handler* handler;
  http_options options;
  boost::asio::io_context io;
  boost::asio::thread_pool workers;
  std::atomic<int> connections{0}, requests{0};
  std::atomic<std::size_t> body_bytes{0};
  std::atomic<bool> draining{false};
  std::shared_ptr<std::atomic<bool>> const own_body = std::make_shared<std::atomic<bool>>(false);   ///< one at a time: it may be as large as a model
};

template <class Handler> class connection : public std::enable_shared_from_this<connection<Handler>> {
  using tcp = boost::asio::ip::tcp;
  using error_code = boost::system::error_code;
  using parser_type = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using reply_ptr = std::shared_ptr<typename Handler::reply>;

 public:
  connection(tcp::socket socket, std::shared_ptr<http_shared<Handler>> shared)
      : shared_(std::move(shared)), socket_(std::move(socket)), timer_(socket_.get_executor()), buffer_(buffer_bytes()) {
    shared_->connections.fetch_add(1);
  }
  ~connection() {
    end_request();
    shared_->connections.fetch_sub(1);
  }
  connection(connection const&) = delete;

  void start() {
    boost::asio::dispatch(socket_.get_executor(), [self = this->shared_from_this()] {
      error_code ignored;
      self->socket_.set_option(tcp::no_delay(true), ignored);
      self->next();
    });
  }
  /// From any thread: `now` closes, otherwise an idle connection closes and a busy one does after its answer.
  void wind_up(bool now) {
    boost::asio::post(socket_.get_executor(), [self = this->shared_from_this(), now] {
      if (now || self->step_ == step::idle) self->close();
    });
  }

 private:
  enum class step { idle, header, body, busy, lingering, closed };
  static constexpr std::size_t pipelined_bytes = 64 * 1024, write_piece = 256 * 1024, slowest_bytes_per_ms = 1000;
  http_options const& options() const { return shared_->options; }
  std::size_t buffer_bytes() const { return options().header_bytes + 2 * pipelined_bytes; }

  // ---- reading
  void next() {
    if (shared_->draining.load()) return close();
    step_ = step::idle;
    arm(options().idle_timeout);
    error_code ignored;
    if (!receiving_) proceed();
    else if (buffer_.size() > 0) socket_.cancel(ignored);   // the read that watched the client; `received` goes on
  }
  void proceed() {
    if (buffer_.size() > 0) read_header(); else receive();
  }
  /// Keeps one read outstanding: idle, it brings the next request; busy, it notices that the client has gone.
  void receive() {
    if (receiving_) return;
    receiving_ = true;
    auto const room = std::min(buffer_.max_size() - buffer_.size(), std::size_t(8192));
    socket_.async_read_some(buffer_.prepare(room), [self = this->shared_from_this()](error_code ec, std::size_t n) {
      self->receiving_ = false;
      self->received(ec, n);
    });
  }
  void received(error_code ec, std::size_t n) {
    if (step_ == step::closed) return;
    if (ec == boost::asio::error::operation_aborted && step_ == step::idle) return proceed();
    if (ec) return close();
    if (step_ == step::lingering) {
      drained_ += n;
      return drained_ > options().body_bytes ? close() : receive();
    }
    buffer_.commit(n);
    if (step_ == step::idle) proceed();
    else if (buffer_.size() < pipelined_bytes) receive();
  }
  void read_header() {
    step_ = step::header;
    keep_alive_ = head_only_ = late_ = false;   // until this request's own headers say more
    if (options().request_log) record_.emplace();
    parser_.emplace();
    parser_->header_limit(std::uint32_t(options().header_bytes));
    parser_->body_limit(std::uint64_t(1) << 62);   // checked below, to answer it properly (1.74 takes none for zero)
    arm(options().header_timeout);
    boost::beast::http::async_read_header(socket_, buffer_, *parser_, [self = this->shared_from_this()](error_code ec, std::size_t) {
      if (self->step_ != step::header) return;
      if (!ec) self->header_read(); else self->unreadable(ec);
    });
  }
  void unreadable(error_code ec) {
    namespace http = boost::beast::http;
    if (late_) {
      keep_alive_ = false;
      return refuse(408, "the request did not arrive in time");
    }
    if (ec == http::error::header_limit || ec == http::error::buffer_overflow) return refuse(431, "the headers are too large");
    if (ec == http::error::body_limit) return refuse(413, too_large());
    if (ec.category() == http::make_error_code(http::error::end_of_stream).category() && ec != http::error::end_of_stream && ec != http::error::partial_message)
      return refuse(400, "not a valid HTTP/1.1 request: " + ec.message());
    close();
  }
  std::string too_large() const { return "the body is larger than " + std::to_string(options().body_bytes) + " bytes"; }

  void header_read() {
    auto const& m = parser_->get();
    http_request r;
    r.method = std::string(m.method_string());
    r.target = std::string(m.target());
    for (auto const& field : m) {
      if (int(r.headers.size()) == options().max_headers) return refuse(431, "more than " + std::to_string(options().max_headers) + " headers");
      r.headers.emplace_back(std::string(field.name_string()), std::string(field.value()));
    }
    if (record_) record_->asks(r);
    keep_alive_ = m.keep_alive();
    head_only_ = r.method == "HEAD";
    chunked_allowed_ = m.version() >= 11;
    // A body framed in another way than proxies believe is how requests are smuggled past them.
    if (m.count("Transfer-Encoding") > 0 && (m.version() < 11 || m.count("Transfer-Encoding") > 1 || !same_name(r.header("Transfer-Encoding"), "chunked"))) {
      keep_alive_ = false;
      return refuse(400, "the only Transfer-Encoding taken is chunked");
    }
    if (auto refused = shared_->handler->admit(r)) return refuse(std::move(*refused));
    std::size_t limit = options().body_bytes;
    bool own = false;   // a body of the handler's own measure is not counted among the others
    if constexpr (requires { { shared_->handler->body_limit(r) } -> std::convertible_to<std::size_t>; })
      if (std::size_t const n = shared_->handler->body_limit(r); n > 0) limit = n, own = true;
    if (parser_->content_length() && *parser_->content_length() > limit) return refuse(413, "the body is larger than " + std::to_string(limit) + " bytes");
    own_ = own;
    if (own) {
      if (shared_->own_body->exchange(true)) return refuse(409, "another body of this size is on its way, or in use");
      r.room = std::shared_ptr<void>(shared_->own_body.get(), [taken = shared_->own_body](void*) { taken->store(false); });
    }
    reserved_ = parser_->is_done() || own ? 0 : parser_->content_length() ? std::size_t(*parser_->content_length()) : limit;
    if (shared_->body_bytes.fetch_add(reserved_) + reserved_ > options().all_body_bytes) return refuse(503, "too many large requests at once");
    parser_->body_limit(limit);
    request_ = std::move(r);
    if (same_name(request_.header("Expect"), "100-continue") && !parser_->is_done()) return go_on();
    read_body();
  }
  void go_on() {
    static constexpr std::string_view text = "HTTP/1.1 100 Continue\r\n\r\n";
    step_ = step::body;
    arm(options().write_timeout);
    boost::asio::async_write(socket_, boost::asio::buffer(text), [self = this->shared_from_this()](error_code ec, std::size_t) {
      if (self->step_ != step::body) return;
      if (ec) self->close(); else self->read_body();
    });
  }
  void read_body() {
    step_ = step::body;
    began_ = std::chrono::steady_clock::now();
    late_ = false;
    if (own_) return parser_->is_done() ? body_read() : read_some_body();
    arm(options().body_timeout);
    boost::beast::http::async_read(socket_, buffer_, *parser_, [self = this->shared_from_this()](error_code ec, std::size_t) {
      if (self->step_ != step::body) return;
      if (!ec) self->body_read(); else self->unreadable(ec);
    });
  }
  /// A body that may be as large as a model: it may take long, but not without progress, nor slower than any network is.
  void read_some_body() {
    using namespace std::chrono;
    auto const allowed = options().body_timeout + milliseconds(arrived_ / slowest_bytes_per_ms);
    auto const left = allowed - duration_cast<milliseconds>(steady_clock::now() - began_);
    arm(std::clamp(left, milliseconds(0), options().write_timeout));
    boost::beast::http::async_read_some(socket_, buffer_, *parser_, [self = this->shared_from_this()](error_code ec, std::size_t n) {
      if (self->step_ != step::body) return;
      self->arrived_ += n;
      if (ec) self->unreadable(ec);
      else if (self->parser_->is_done()) self->body_read();
      else self->read_some_body();
    });
  }
  void body_read() {
    arrived_ = 0;
    request_.body = std::move(parser_->get().body());
    parser_.reset();
    if (std::size_t const size = request_.body.size(); size < reserved_)   // chunked: it was the most there could be
      shared_->body_bytes.fetch_sub(std::exchange(reserved_, size) - size);
    if (shared_->requests.fetch_add(1) >= options().max_requests) {
      shared_->requests.fetch_sub(1);
      http_response busy = shared_->handler->failure(429, "too many requests at once");
      busy.head.headers.emplace_back("Retry-After", "1");
      return answer(std::move(busy), keep_alive_);
    }
    open_ = true;
    step_ = step::busy;
    begin_answer();
    reply_ = shared_->handler->open(std::move(request_), [weak = this->weak_from_this()] {
      if (auto self = weak.lock()) boost::asio::post(self->socket_.get_executor(), [self] { self->pump(); });
    });
    request_ = {};
    if (reply_->needs_work())
      boost::asio::post(shared_->workers, [shared = shared_.get(), reply = reply_] { shared->handler->work(reply); });
    arm(options().waiting_beat);
    if (buffer_.size() < pipelined_bytes) receive();
  }

  // ---- writing
  void begin_answer() { head_sent_ = complete_ = writing_ = dirty_ = false; }

  /// Writes what the reply has to say by now.
  void pump() {
    if (!reply_ || step_ != step::busy || complete_) return;
    if (writing_) {
      dirty_ = true;
      return;
    }
    body_.clear();
    reply_state const state = reply_->poll(body_);
    if (state != reply_state::waiting) send(state == reply_state::complete);
  }
  void send(bool last) {
    out_.clear();
    complete_ = last;
    if (!head_sent_) {
      frame_ = last && !reply_->head().stream ? framing::sized : chunked_allowed_ ? framing::chunked : framing::until_close;
      if (frame_ == framing::until_close || shared_->draining.load()) keep_alive_ = false;
      put_head(out_, reply_->head(), frame_, body_.size(), keep_alive_);
      head_sent_ = true;
      if (record_) record_->answers(reply_->head().status);
    }
    if (frame_ == framing::chunked) {
      put_chunk(out_, body_);
      if (last) out_ += last_chunk;
    } else if (!head_only_) {
      out_ += body_;
    }
    if (out_.empty()) return;
    write();
  }
  void write() {
    writing_ = true;
    arm(options().write_timeout);
    auto const progress = [self = this, sent = std::size_t(0)](error_code ec, std::size_t n) mutable {
      if (!ec && n > std::exchange(sent, n)) self->arm(self->options().write_timeout);   // slow is not gone
      return ec ? std::size_t(0) : write_piece;
    };
    boost::asio::async_write(socket_, boost::asio::buffer(out_), progress, [self = this->shared_from_this()](error_code ec, std::size_t) {
      self->written(ec);
    });
  }
  void written(error_code ec) {
    writing_ = false;
    if (step_ == step::closed) return;
    if (ec) return close();
    if (complete_) return finish();
    arm(options().heartbeat);
    if (std::exchange(dirty_, false)) pump();
  }
  void finish() {
    tell(true);
    end_request();
    if (keep_alive_) return next();
    linger();
  }
  /// Of a request that has ended, once, where somebody wants to know.
  void tell(bool whole) noexcept {
    if (!record_) return;
    token_counts tokens;
    if constexpr (requires { tokens = reply_->tokens(); })
      if (reply_) tokens = reply_->tokens();
    try {
      if (!record_->empty()) options().request_log(record_->line(whole, tokens));
    } catch (...) {}   // then there is no line: a log is no reason to end a connection, let alone the process
    record_.reset();
  }
  void end_request() {
    tell(false);
    request_ = {};
    shared_->body_bytes.fetch_sub(std::exchange(reserved_, 0));
    if (auto reply = std::exchange(reply_, nullptr); reply && !complete_) reply->cancel();
    if (std::exchange(open_, false)) shared_->requests.fetch_sub(1);
  }

  /// An answer that no reply stands behind.
  void refuse(int status, std::string_view message) { refuse(shared_->handler->failure(status, message)); }
  void refuse(http_response r) {
    bool const whole = parser_ && parser_->is_done();   // nothing of the request is left to read
    answer(std::move(r), keep_alive_ && whole);
  }
  void answer(http_response r, bool keep_alive) {
    step_ = step::busy;
    parser_.reset();
    begin_answer();
    keep_alive_ = keep_alive && !shared_->draining.load();
    complete_ = head_sent_ = true;
    if (record_) record_->answers(r.head.status);
    request_ = {};
    out_.clear();
    put_head(out_, r.head, framing::sized, r.body.size(), keep_alive_);
    if (!head_only_) out_ += r.body;
    write();
  }

  // ---- ending
  /// Closing at once would make the peer's kernel throw the answer away while it still sends: it gets a moment to read.
  void linger() {
    error_code ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    step_ = step::lingering;
    buffer_.consume(buffer_.size());
    arm(options().linger);
    receive();
  }
  void close() {
    if (std::exchange(step_, step::closed) == step::closed) return;
    error_code ignored;
    timer_.cancel();
    socket_.close(ignored);
    end_request();
  }
  void arm(std::chrono::milliseconds after) {
    timer_.expires_after(after);
    timer_.async_wait([weak = this->weak_from_this(), round = ++round_](error_code ec) {
      if (auto self = weak.lock(); self && !ec && self->round_ == round) self->time_is_over();
    });
  }
  void time_is_over() {
    if (step_ == step::busy && !writing_) return beat();
    if (step_ != step::header && step_ != step::body) return close();
    error_code ignored;
    late_ = true;
    socket_.cancel(ignored);   // the read in flight; its handler answers
  }
  void beat() {
    arm(head_sent_ ? options().heartbeat : options().waiting_beat);
    if (reply_ && !head_sent_) return reply_->beat();
    if (!reply_ || !head_sent_ || complete_ || frame_ == framing::sized) return;
    body_.clear();
    reply_->heartbeat(body_);
    send(false);
  }

  std::shared_ptr<http_shared<Handler>> shared_;
  tcp::socket socket_;
  boost::asio::steady_timer timer_;
  boost::beast::flat_buffer buffer_;
  std::optional<parser_type> parser_;
  http_request request_;
  std::optional<request_record> record_;   // for the log
  reply_ptr reply_;
  std::string body_, out_;   // what a poll appended; what is being written
  std::size_t reserved_ = 0, drained_ = 0, arrived_ = 0;
  std::chrono::steady_clock::time_point began_{};   // of the body
  std::uint64_t round_ = 0;
  step step_ = step::idle;
  framing frame_ = framing::sized;
  bool receiving_ = false, late_ = false, keep_alive_ = false, head_only_ = false, chunked_allowed_ = true;
  bool own_ = false;   // the body is the one that the handler measures
  bool open_ = false, head_sent_ = false, complete_ = false, writing_ = false, dirty_ = false;
};

}  // namespace verbatim
