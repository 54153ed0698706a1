// How long the control plane waits and for what: bodies of weights that come slowly, stall or are torn, and when the room for
// one is free again; the probe of health; and what clients write in other ways than others: ids by their beginning, booleans as
// digits, versions as numbers.
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "catch.hpp"
#include "server_fixture.hpp"
#include "verbatim/weights/safetensors_write.hpp"

using fake::client;
using verbatim::json;
using verbatim::parse_json;
using namespace std::chrono_literals;

namespace {

/// One safetensors file with the tensor that the scripted engine takes, of that many numbers.
std::string good_weights(std::size_t count = 4) {
  std::vector<float> const data(count, 1.0f);
  verbatim::tensor const t{"good", verbatim::dtype::f32, {{std::int64_t(count)}, 1}, data.data()};
  std::string out = verbatim::weights::safetensors_header({&t, 1});
  return out.append(reinterpret_cast<char const*>(data.data()), count * sizeof(float));
}
std::string head_of(std::size_t bytes) {
  return "POST /update_weights HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
}
int put_weights(unsigned short port, std::string const& body) {
  client c(port);
  c.send(head_of(body.size()) + body);
  return c.receive().status;
}
std::string version(unsigned short port) { return parse_json(client(port).get("/get_weight_version").body)["weight_version"]; }

}  // namespace

TEST_CASE("control/patience: who has seen the answer to a body of weights may send the next one") {
  verbatim::openai o;
  o.http.io_threads = 4;
  fake::server server(o);
  std::string const good = good_weights(), bad = "not safetensors";
  std::vector<std::unique_ptr<client>> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(std::make_unique<client>(server.port()));
  int taken = 0, refused = 0;
  for (int i = 0; i < 1000; ++i) {
    std::string const& body = i % 3 ? good : bad;
    client& c = *clients[std::size_t(i) % clients.size()];
    c.send(head_of(body.size()) + body);
    int const status = c.receive().status;
    ++(status == 200 ? taken : refused);
    REQUIRE(status == (i % 3 ? 200 : 400));   // never 409
  }
  CHECK(taken == 666);
  CHECK(refused == 334);
  CHECK(put_weights(server.port(), good) == 200);
  CHECK(version(server.port()) == "667");
}

TEST_CASE("control/patience: weights that are in use keep the room for weights, though their sender has gone") {
  fake::server server;
  std::string const good = good_weights();
  server.engine().hang(true);
  {
    client gone(server.port());
    gone.send(head_of(good.size()) + good);
    std::this_thread::sleep_for(50ms);
    gone.close();
  }
  std::this_thread::sleep_for(50ms);
  for (int i = 0; i < 3; ++i) CHECK(put_weights(server.port(), good) == 409);   // before it is read
  server.engine().hang(false);
  int status = 409;
  for (int i = 0; i < 1000 && status == 409; ++i) {
    std::this_thread::sleep_for(2ms);
    status = put_weights(server.port(), good);
  }
  CHECK(status == 200);
  CHECK(version(server.port()) == "2");
}

TEST_CASE("control/patience: a body of weights may be slow, but not silent and not slower than a megabyte a second for ever") {
  verbatim::openai o;
  o.http.write_timeout = 150ms;
  o.http.body_timeout = 400ms;
  fake::server server(o);
  std::string const good = good_weights(250'000);   // a second more at the slowest
  client slow(server.port());
  slow.send(head_of(good.size()));
  auto const start = std::chrono::steady_clock::now();
  for (std::size_t at = 0; at < good.size(); at += 100'000) {
    std::this_thread::sleep_for(60ms);
    slow.send(std::string_view(good).substr(at, 100'000));
  }
  CHECK(slow.receive().status == 200);
  CHECK(std::chrono::steady_clock::now() - start > 400ms);   // longer than other bodies may take

  client silent(server.port());
  silent.send(head_of(good.size()) + good.substr(0, 500'000));
  std::this_thread::sleep_for(50ms);
  CHECK(put_weights(server.port(), good) == 409);   // the room is taken
  CHECK(silent.receive().status == 408);
  CHECK(put_weights(server.port(), good) == 200);

  client trickling(server.port());
  trickling.send(head_of(good.size()));
  int status = 0;
  std::thread reader([&] { status = trickling.receive().status; });
  for (int i = 0; i < 100 && trickling.send("x"); ++i) std::this_thread::sleep_for(20ms);
  reader.join();
  CHECK(status == 408);
  {
    client torn(server.port());
    torn.send(head_of(good.size()) + good.substr(0, 500'000));
    std::this_thread::sleep_for(30ms);
    torn.close();
  }
  for (int i = 0; i < 100 && version(server.port()) == "2"; ++i) {
    if (put_weights(server.port(), good) == 200) break;
    std::this_thread::sleep_for(5ms);
  }
  CHECK(version(server.port()) == "3");
}

TEST_CASE("control/patience: who asks for health gets an answer, from an engine that hangs too, and all share one probe") {
  verbatim::openai o;
  o.health_patience = 200ms;
  o.http.waiting_beat = 20ms;
  fake::server server(o);
  CHECK(client(server.port()).get("/health_generate").status == 200);
  server.engine().hang(true);
  std::vector<std::unique_ptr<client>> watchers;
  for (int i = 0; i < 5; ++i) {
    watchers.push_back(std::make_unique<client>(server.port()));
    watchers.back()->send("GET /health_generate HTTP/1.1\r\nHost: localhost\r\n\r\n");
  }
  for (auto& w : watchers) {
    auto const answer = w->receive();
    CHECK(answer.status == 503);
    CHECK(answer.has("unresponsive"));
  }
  CHECK(server.unfinished() == 1);
  auto const again = std::chrono::steady_clock::now();
  CHECK(client(server.port()).get("/health_generate").status == 503);   // the old probe still stands: nothing to wait for
  CHECK(std::chrono::steady_clock::now() - again < 150ms);
  CHECK(server.unfinished() == 1);
  for (int i = 0; i < 1500; ++i) {   // who goes away at once is forgotten
    client gone(server.port());
    gone.send("GET /health_generate HTTP/1.1\r\nHost: localhost\r\n\r\n");
    gone.close();
  }
  CHECK(server.unfinished() == 1);
  server.engine().hang(false);
  CHECK(server.calm());
  CHECK(client(server.port()).get("/health_generate").status == 200);
}

TEST_CASE("control/patience: aborts by the beginning of an id, by the client's id and by the answer's") {
  fake::server server;
  client steer(server.port());
  auto const asked = [&](std::string const& id) {
    auto c = std::make_unique<client>(server.port());
    c->send(client::request("POST", "/v1/chat/completions", fake::say("[slow]", ",\"max_tokens\":4000,\"ignore_eos\":true"), "X-Request-Id: " + id + "\r\n"));
    return c;
  };
  auto const running = [&](int n) {
    for (int i = 0; i < 2000 && int(server.unfinished()) != n; ++i) std::this_thread::sleep_for(1ms);
    return int(server.unfinished()) == n;
  };
  auto a = asked("group-7-a"), b = asked("group-7-b"), c = asked("group-70"), d = asked("cmpl-own"), e = asked("chat"), f = asked("chatter");
  REQUIRE(running(6));
  std::this_thread::sleep_for(50ms);
  json const loads = parse_json(steer.get("/v1/loads?include=core").body)["loads"];
  CHECK(loads.size() == 1);
  CHECK(loads[0]["num_reqs"] == 6);
  CHECK(parse_json(steer.get("/get_load").body)[0]["num_total_reqs"] == 6);
  auto const aborted = [&](std::string const& body) { return parse_json(steer.post("/abort_requests", body).body)["aborted"]; };
  CHECK(aborted("{\"request_ids\":[\"group-7\",\"cha\"]}") == 0);   // whole ids here
  CHECK(steer.post("/abort_request", "{\"rid\":\"group-7-\"}").status == 200);
  CHECK(a->receive().has("\"finish_reason\":\"abort\""));
  CHECK(b->receive().has("\"finish_reason\":\"abort\""));
  REQUIRE(running(4));
  CHECK(aborted("{\"request_ids\":[\"cmpl-own\"]}") == 1);   // looks like an answer's id, and is the client's
  CHECK(aborted("{\"request_ids\":[\"chatcmpl-chat\"]}") == 1);
  CHECK(e->receive().status == 200);
  REQUIRE(running(2));
  CHECK(steer.post("/abort_request", "{\"rid\":\"chatcmpl-\"}").status == 200);   // what the server made is not matched by its beginning
  CHECK(steer.post("/abort_request", "{\"rid\":\"cmpl-chatter\"}").status == 200);   // nor by another kind's
  CHECK(running(2));
  CHECK(steer.post("/abort_request", "{\"rid\":\"chatt\"}").status == 200);
  CHECK(f->receive().status == 200);
  CHECK(steer.post("/abort_request", "{\"rid\":\"\"}").status == 422);
  REQUIRE(running(1));
  CHECK(steer.post("/abort_request", "{\"rid\":\"group-70\"}").status == 200);
  CHECK(server.calm());
  client both(server.port());
  both.send(client::request("POST", "/v1/chat/completions", fake::say("[slow]", ",\"max_tokens\":4000,\"ignore_eos\":true,\"request_id\":\"in-body\""),
                            "X-Request-Id: in-header\r\n"));
  REQUIRE(running(1));
  CHECK(aborted("{\"request_ids\":[\"in-body\"]}") == 1);
  CHECK(server.calm());
  both.send(client::request("POST", "/v1/chat/completions",
                            fake::say("[slow]", ",\"max_tokens\":4000,\"ignore_eos\":true,\"request_id\":\"one-name\",\"rid\":\"two-names\"")));
  REQUIRE(running(1));
  CHECK(aborted("{\"request_ids\":[\"two-names\"]}") == 1);
  CHECK(server.calm());
}

TEST_CASE("control/patience: digits as booleans in a query, numbers as versions") {
  fake::server server;
  client c(server.port());
  auto const post = [&](std::string const& path) {
    c.send("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    return c.receive().status;
  };
  for (auto const* path : {"/pause?clear_cache=0", "/resume", "/pause?clear_cache=1&mode=keep", "/resume", "/reset_prefix_cache?reset_running_requests=1",
                           "/reset_prefix_cache?reset_running_requests=False"})
    CHECK(post(path) == 200);
  CHECK(post("/reset_prefix_cache?reset_running_requests=2") == 422);
  CHECK(c.post("/update_weight_version", "{\"new_version\":17}").status == 200);
  CHECK(version(server.port()) == "17");
  CHECK(c.post("/update_weight_version", "{\"new_version\":1.5}").status == 422);
  auto const odd = c.post("/update_weight_version", "{\"new_version\":18,\"wieght\":1}");
  CHECK(odd.status == 200);
  CHECK(odd.has("Warning: 299 - \"ignored fields: wieght\""));
  verbatim::openai o;
  o.strict = true;
  fake::server strict(o);
  auto const refused = client(strict.port()).post("/update_weight_version", "{\"new_version\":18,\"wieght\":1}");
  CHECK(refused.status == 422);
  CHECK(refused.has("wieght"));
  CHECK(version(strict.port()) == "0");
}
