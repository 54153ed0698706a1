// The transport under friendly and hostile clients, with the scripted engine behind it.
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "server_fixture.hpp"

using fake::client;
using fake::say;
using namespace std::chrono_literals;

namespace {
constexpr char chat[] = "/v1/chat/completions";
verbatim::openai quick() {
  verbatim::openai o;
  o.http.header_timeout = 300ms;
  o.http.body_timeout = 300ms;
  o.http.idle_timeout = 600ms;
  o.http.linger = 300ms;
  return o;
}
}  // namespace

TEST_CASE("transport/http: keep-alive, pipelining, HEAD and OPTIONS") {
  fake::server server;
  client c(server.port());
  for (int i = 0; i < 3; ++i) CHECK(c.get("/health").status == 200);
  CHECK(c.post(chat, say("[say:one]")).has("\"content\":\"one\""));
  c.send(client::request("POST", chat, say("[say:first]")) + client::request("POST", chat, say("[say:second]", ",\"stream\":true")) +
         "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(c.receive().has("first"));
  auto const second = c.receive();
  CHECK(second.has("text/event-stream"));
  CHECK(second.has("data: [DONE]"));
  CHECK(c.receive().status == 200);
  c.send("HEAD /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
  std::string const head = c.some();
  CHECK(head.find("200 OK") != head.npos);
  CHECK(head.substr(head.size() - 4) == "\r\n\r\n");
  c.send("OPTIONS /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n\r\n");
  auto const options = c.receive();
  CHECK(options.status == 204);
  CHECK(options.has("Allow: POST"));
  CHECK(server.finish() == 0);
}

TEST_CASE("transport/http: HTTP/1.0, Connection: close, Expect: 100-continue, chunked bodies") {
  fake::server server;
  client old(server.port());
  std::string const body = say("[say:old]", ",\"stream\":true");
  old.send("POST /v1/chat/completions HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
  std::string const all = old.until_closed();
  CHECK(all.find("chunked") == all.npos);
  CHECK(all.find("data: [DONE]\n\n") == all.size() - 14);
  client closing(server.port());
  closing.send(client::request("POST", chat, say("[say:bye]"), "Connection: close\r\n"));
  std::string const bye = closing.until_closed();
  CHECK(bye.find("bye") != bye.npos);
  CHECK_FALSE(closing.timed_out);
  client patient(server.port());
  std::string const whole = client::request("POST", chat, say("[say:ok]"), "Expect: 100-continue\r\n");
  auto const split = whole.find("\r\n\r\n") + 4;
  patient.send(whole.substr(0, split));
  CHECK(patient.some().find("100 Continue") != std::string::npos);
  patient.send(whole.substr(split));
  CHECK(patient.receive().has("ok"));
  client chunked(server.port());
  std::string const start = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
  std::string frames;
  for (char b : say("[say:chunky]")) frames += std::string("1\r\n") + b + "\r\n";
  chunked.send(start + frames + "0\r\n\r\n");
  CHECK(chunked.receive().has("chunky"));
  chunked.send(start + "zz\r\n");
  CHECK(chunked.receive().status == 400);
}

TEST_CASE("transport/http: what is not HTTP gets 4xx and an end") {
  auto const framed = [](std::string coding, std::string version = "1.1") {   // a body that looks like a second request
    return "POST /tokenize HTTP/" + version + "\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: " + coding +
           "\r\n\r\nGET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
  };
  fake::server server(quick());
  for (std::string const& bytes : {std::string("GARBAGE\r\n\r\n"), std::string("GET / HTTP/9.9\r\n\r\n"), std::string("\0\1\2\3\r\n\r\n", 8),
                                   std::string(1000, '\xff') + "\r\n\r\n",
                                   std::string("GET /health HTTP/1.1\r\nBad Header: x\r\n\r\n"),
                                   std::string("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n"),
                                   std::string("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
                                   std::string("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                                   framed("gzip"), framed("xchunked"), framed("gzip, chunked"), framed("chunked, identity"), framed("chunked", "1.0")}) {
    client c(server.port());
    c.send(bytes);
    std::string const all = c.until_closed();
    INFO(bytes.substr(0, 60) << " -> " << all.substr(0, 60));
    CHECK_FALSE(c.timed_out);
    CHECK(all.substr(0, 10) == "HTTP/1.1 4");
    CHECK(all.find("HTTP/1.1 200") == all.npos);   // no second request was seen in it
  }
  CHECK(client(server.port()).get("/health").status == 200);
}

TEST_CASE("transport/http: limits on headers and bodies") {
  auto options = quick();
  options.http.body_bytes = 100'000;
  fake::server server(options);
  CHECK(client(server.port()).get("/health", "X-Long: " + std::string(40'000, 'a') + "\r\n").status == 431);
  std::string many;
  for (int i = 0; i < 150; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  CHECK(client(server.port()).get("/health", many).status == 431);
  std::string const big(200'000, ' ');
  auto const sized = client(server.port()).post("/tokenize", big);
  CHECK(sized.status == 413);
  CHECK(sized.has("\"error\""));
  client chunked(server.port());
  chunked.send("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n" + big + "\r\n0\r\n\r\n");
  CHECK(chunked.receive().status == 413);
  CHECK(client(server.port()).post("/tokenize", "{\"prompt\":\"" + std::string(90'000, 'x') + "\"}").status == 200);
  client promise(server.port());
  promise.send("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99999999999999999999\r\n\r\n");
  CHECK(promise.receive().status / 100 == 4);
}

TEST_CASE("transport/http: slow clients are cut off, with 408 where they began") {
  fake::server server(quick());
  client silent(server.port()), dripping(server.port()), half(server.port());
  dripping.send("GET /hea");
  half.send("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"pro");
  CHECK(half.receive().status == 408);
  CHECK(dripping.receive().status == 408);
  CHECK(silent.until_closed().empty());
  CHECK_FALSE(silent.timed_out);
  std::vector<std::unique_ptr<client>> loris;
  for (int i = 0; i < 200; ++i) loris.push_back(std::make_unique<client>(server.port())), loris.back()->send("GET /health HTTP/1.1\r\nX: ");
  CHECK(client(server.port()).get("/health").status == 200);
  for (auto& c : loris) CHECK(c->receive().status == 408);
}

TEST_CASE("transport/http: a client that goes away cancels its request, queued or running, and no other") {
  fake::server server({}, 4096, 2);   // room for two sequences, the others wait
  client survivor(server.port());
  survivor.send(client::request("POST", chat, say("[slow]keep", ",\"max_tokens\":200,\"ignore_eos\":true")));
  std::this_thread::sleep_for(20ms);
  for (bool streamed : {true, false}) {
    std::vector<std::unique_ptr<client>> leaving;
    for (int i = 0; i < 8; ++i) {
      leaving.push_back(std::make_unique<client>(server.port()));
      leaving.back()->send(client::request("POST", chat,
                                           say("[slow]leave", std::string(",\"max_tokens\":4000,\"ignore_eos\":true") + (streamed ? ",\"stream\":true" : ""))));
    }
    std::this_thread::sleep_for(100ms);
    CHECK(server.unfinished() == 9);
    leaving.clear();
    for (int i = 0; i < 300 && server.unfinished() > 1; ++i) std::this_thread::sleep_for(1ms);
    CHECK(server.unfinished() == 1);
  }
  auto const kept = survivor.receive();
  CHECK(kept.has("\"completion_tokens\":200"));
  CHECK(server.calm());
  CHECK(server.stats().finished_cancelled == 16);
}

TEST_CASE("transport/http: a stream that nobody reads is cancelled instead of growing") {
  verbatim::openai options;
  options.http.write_timeout = 500ms;
  fake::server server(options);
  client c(server.port());
  c.send(client::request("POST", chat, say("x", ",\"stream\":true,\"n\":128,\"max_tokens\":4000,\"ignore_eos\":true,\"logprobs\":true,\"top_logprobs\":20")));
  CHECK(c.some(10).size() == 10);
  for (int i = 0; i < 5000 && server.unfinished() > 0; ++i) std::this_thread::sleep_for(1ms);
  CHECK(server.unfinished() == 0);
  CHECK(server.stats().finished_cancelled > 0);
  CHECK(client(server.port()).get("/health").status == 200);
}

TEST_CASE("transport/http: a reader that is slow, but reads, gets all of a long answer") {
  verbatim::openai options;
  options.http.write_timeout = 500ms;
  fake::server server(options);
  client c(server.port());
  c.send(client::request("POST", "/tokenize", "{\"prompt\":\"" + std::string(4'000'000, 'x') + "\"}", "Connection: close\r\n"));
  std::string all;
  for (std::string piece; !(piece = c.some(1 << 19)).empty(); std::this_thread::sleep_for(50ms)) all += piece;
  CHECK_FALSE(c.timed_out);
  CHECK(all.size() > 16'000'000);
  CHECK(all.back() == '}');
}

TEST_CASE("transport/http: a chunked body holds room for what it is, not for what it might have been") {
  verbatim::openai options;
  options.http.body_bytes = 100'000;
  options.http.all_body_bytes = 250'000;
  fake::server server(options);
  std::string const body = say("[stall]", ",\"stream\":true");
  std::vector<std::unique_ptr<client>> waiting;
  for (int i = 0; i < 5; ++i) {
    waiting.push_back(std::make_unique<client>(server.port()));
    char size[16];
    std::snprintf(size, sizeof size, "%zx", body.size());
    waiting.back()->send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n" +
                         std::string(size) +
                         "\r\n" + body + "\r\n0\r\n\r\n");
    CHECK(waiting.back()->some().find("200 OK") != std::string::npos);
  }
}

TEST_CASE("transport/http: a thousand quick connections, and a burst at once") {
  fake::server server;
  for (int i = 0; i < 1000; ++i) {
    client c(server.port());
    if (i % 3) c.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    if (i % 3 == 2) REQUIRE(c.receive().status == 200);
  }
  std::vector<std::unique_ptr<client>> burst;
  for (int i = 0; i < 300; ++i) burst.push_back(std::make_unique<client>(server.port()));
  for (auto& c : burst) c->send(client::request("POST", chat, say("[say:hi]")));
  for (auto& c : burst) REQUIRE(c->receive().has("\"hi\""));
}

TEST_CASE("transport/http: limits on connections and requests say so") {
  verbatim::openai options;
  options.http.max_connections = 3;
  options.http.max_requests = 1;
  fake::server server(options);
  client a(server.port()), b(server.port()), c(server.port());
  CHECK(a.get("/health").status == 200);
  a.send(client::request("POST", chat, say("[stall]")));
  std::this_thread::sleep_for(50ms);
  auto const busy = b.post(chat, say("x"));
  CHECK(busy.status == 429);
  CHECK(busy.has("Retry-After: 1"));
  CHECK(b.post(chat, say("x")).status == 429);
  CHECK(client(server.port()).receive().status == 503);
  a.close();
  for (int i = 0; i < 500 && server.unfinished() > 0; ++i) std::this_thread::sleep_for(1ms);
  CHECK(b.post(chat, say("[say:x]")).status == 200);
}

TEST_CASE("transport/http: a silent stream is kept alive by comments") {
  verbatim::openai options;
  options.http.heartbeat = 50ms;
  fake::server server(options);
  client c(server.port());
  c.send(client::request("POST", chat, say("[stall]", ",\"stream\":true")));
  std::string seen;
  while (seen.find(":\n\n\r\n3\r\n:\n\n") == seen.npos) {
    std::string const piece = c.some();
    REQUIRE_FALSE(piece.empty());
    seen += piece;
  }
  CHECK(seen.find("text/event-stream") != seen.npos);
}

TEST_CASE("transport/http: draining finishes what runs and refuses what comes") {
  fake::server server;
  client running(server.port()), idle(server.port()), stuck(server.port());
  CHECK(idle.get("/health").status == 200);
  running.send(client::request("POST", chat, say("[slow]", ",\"max_tokens\":30,\"ignore_eos\":true")));
  stuck.send(client::request("POST", chat, say("[stall]", ",\"stream\":true")));
  std::this_thread::sleep_for(50ms);
  server.stop_soon();
  auto const done = running.receive();
  CHECK(done.has("\"completion_tokens\":30"));
  CHECK(done.has("Connection: close"));
  CHECK(idle.until_closed().empty());
  CHECK_FALSE(idle.timed_out);
  auto const ended = stuck.until_closed();   // by force, and told so
  CHECK_FALSE(stuck.timed_out);
  CHECK(ended.find("\"finish_reason\":\"abort\"") != ended.npos);
  CHECK(ended.find("data: [DONE]") != ended.npos);
  CHECK(server.finish() == 0);
  CHECK(server.unfinished() == 0);
}

TEST_CASE("transport/http: addresses and keys") {
  using verbatim::check_exposure;
  CHECK_NOTHROW(check_exposure({.address = "127.0.0.1"}));
  CHECK_NOTHROW(check_exposure({.address = "::1"}));
  CHECK_NOTHROW(check_exposure({.address = "0.0.0.0", .api_keys = {"k"}}));
  CHECK_NOTHROW(check_exposure({.address = "0.0.0.0", .allow_open = true}));
  auto const number = [](verbatim::openai o) {
    try { check_exposure(o); } catch (verbatim::error const& e) { return e.number(); }
    return 0;
  };
  CHECK(number({.address = "0.0.0.0"}) == 1);
  CHECK(number({.address = "example.org"}) == 2);
  CHECK(number({.api_keys = {""}}) == 4);
  CHECK(number({.pinned = {verbatim::openai_v1::pinning::reject, {}}}) == 5);
  fake::server server({.api_keys = {"secret", "other"}});
  client c(server.port());
  CHECK(c.get("/health").status == 200);
  for (auto path : {"/v1/models", "/metrics", "/version", "/nowhere"}) {
    auto const a = client(server.port()).get(path);
    CHECK(a.status == 401);
    CHECK(a.has("invalid_api_key"));
  }
  CHECK(c.get("/v1/models", "Authorization: Bearer other\r\n").status == 200);
  CHECK(c.get("/v1/models", "Authorization: Bearer secre\r\n").status == 401);
  CHECK(c.get("/v1/models", "Authorization: Basic secret\r\n").status == 401);
  client early(server.port());   // refused by its headers alone
  early.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n");
  CHECK(early.receive().status == 401);
  fake::server local;
  client evil(local.port());
  evil.send("GET /v1/models HTTP/1.1\r\nHost: evil.example:8000\r\n\r\n");
  CHECK(evil.receive().status == 403);
}
