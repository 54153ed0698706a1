// What the log says of requests: one bounded line of printable ASCII each, whatever was sent, and never a secret of the query.
#include <algorithm>
#include <chrono>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "server_fixture.hpp"
#include "verbatim/transport/request_log.hpp"

using fake::client;
using fake::say;
using namespace std::chrono_literals;

namespace {

/// Gathers lines, which come from the server's threads.
class gathered {
 public:
  verbatim::openai options() {
    verbatim::openai o;
    o.http.header_timeout = 300ms;
    o.http.linger = 300ms;
    o.http.request_log = [this](std::string_view line) {
      std::lock_guard lock(mutex_);
      lines_.emplace_back(line);
    };
    return o;
  }
  /// The lines so far, once there are `count` or two seconds have passed.
  std::vector<std::string> lines(std::size_t count) {
    for (int i = 0; i < 2000; ++i) {
      if (std::lock_guard lock(mutex_); lines_.size() >= count) break;
      std::this_thread::sleep_for(1ms);
    }
    std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// Without the milliseconds, which follow the status.
std::string timeless(std::string const& line) {
  auto const end = line.find(" ms"), begin = line.rfind(' ', end - 1);
  return end == line.npos ? line : line.substr(0, begin) + line.substr(end + 3);
}

}  // namespace

TEST_CASE("transport/request_log: answers, refusals, streams") {
  gathered log;
  fake::server server(log.options());
  client c(server.port());
  c.get("/health");
  c.get("/v1/nothing?key=secret");
  c.post("/v1/chat/completions", say("[say:four]"));
  c.post("/v1/chat/completions", say("[say:three]", ",\"stream\":true"));
  c.post("/v1/completions", "{\"prompt\":[1,2,3],\"n\":2,\"max_tokens\":5}");
  c.post("/v1/chat/completions", "{");
  c.post("/tokenize", "{\"prompt\":\"x\"}");
  c.send("PUT /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n");
  c.receive();
  auto const lines = log.lines(8);
  REQUIRE(lines.size() == 8);
  std::string const prompt = std::to_string(std::string("<|im_start|>user\n[say:four]<|im_end|>\n<|im_start|>assistant\n").size() - 9 - 2 * 11);
  CHECK(timeless(lines[0]) == "GET /health 200");
  CHECK(timeless(lines[1]) == "GET /v1/nothing 404");
  CHECK(timeless(lines[2]) == "POST /v1/chat/completions 200, " + prompt + " tokens in, 5 out");   // and the end of turn
  CHECK(timeless(lines[3]) == "POST /v1/chat/completions 200, " + std::to_string(std::stoi(prompt) + 1) + " tokens in, 6 out");
  CHECK(timeless(lines[4]) == "POST /v1/completions 200, 3 tokens in, 10 out");
  CHECK(timeless(lines[5]) == "POST /v1/chat/completions 400");
  CHECK(timeless(lines[6]) == "POST /tokenize 200");
  CHECK(timeless(lines[7]) == "PUT /v1/models 405");
  for (auto const& line : lines) CHECK(line.find(" ms") != line.npos);
}

TEST_CASE("transport/request_log: clients that go away, and what is not HTTP") {
  gathered log;
  fake::server server(log.options());
  {
    client gone(server.port());
    gone.send(client::request("POST", "/v1/chat/completions", say("[slow]", ",\"stream\":true,\"max_tokens\":2000,\"ignore_eos\":true")));
    gone.some();
    gone.close();
  }
  auto lines = log.lines(1);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("POST /v1/chat/completions 200 ") == 0);
  CHECK(lines[0].find(" out, cut short") != lines[0].npos);
  {
    client half(server.port());
    half.send("POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"pro");
    std::this_thread::sleep_for(50ms);
  }
  lines = log.lines(2);
  REQUIRE(lines.size() == 2);
  CHECK(timeless(lines[1]) == "POST /tokenize -, cut short");
  { client silent(server.port()); }
  { client(server.port()).send("GET /hea"); }
  client rubbish(server.port());
  rubbish.send("GARBAGE\r\n\r\n");
  rubbish.until_closed();
  lines = log.lines(3);
  REQUIRE(lines.size() == 3);
  CHECK(timeless(lines[2]) == "- - 400");
}

TEST_CASE("transport/request_log: whatever is sent, a line is printable, and bounded") {
  CHECK(verbatim::shown_in_log("a b\"\\\x1b[2J\n\xff", 96) == "a\\x20b\\x22\\x5c\\x1b[2J\\x0a\\xff");
  CHECK(verbatim::shown_in_log("abcdef", 6) == "abcdef");
  CHECK(verbatim::told_path("/v1/models#token") == "/v1/models");
  CHECK(verbatim::told_path("http://user:secret@host:80/v1") == "/v1");
  CHECK(verbatim::told_path("http://user:secret@host") == "/");
  CHECK(verbatim::told_path("user:secret@host:443") == "-");
  CHECK(verbatim::told_path("*") == "*");
  CHECK(verbatim::shown_in_log("abcdef", 5) == "abcde...");
  gathered log;
  fake::server server(log.options());
  std::vector<std::string> const targets{"/\xff\xfe\xc3\xa4", "/\"quoted\"\\n", std::string("/") + std::string(20'000, '\xe2'), "/a\x7f" "b", "/%0d%0aGET%20/forged",
                                         "/x?" + std::string(5000, 's')};
  for (auto const& target : targets) {
    client c(server.port());
    c.send("GET " + target + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    c.until_closed();
  }
  client c(server.port());
  c.send(std::string(3000, 'M') + " /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  c.until_closed();
  auto const lines = log.lines(targets.size() + 1);
  CHECK(lines.size() == targets.size() + 1);
  for (auto const& line : lines) {
    INFO(line);
    CHECK(line.size() < 600);
    CHECK(std::all_of(line.begin(), line.end(), [](char b) { return b >= ' ' && b < 0x7f; }));
    CHECK(line.find("sss") == line.npos);
  }
}
