// The control plane over real sockets, with the scripted engine behind it: who may steer, what each route does and refuses,
// and that nothing that is cut off, malformed or too much changes anything.
#include <chrono>
#include <set>
#include <string>
#include <thread>

#include "catch.hpp"
#include "server_fixture.hpp"
#include "verbatim/transport/http_head.hpp"
#include "verbatim/weights/safetensors_write.hpp"

using fake::client;
using fake::say;
using verbatim::json;
using verbatim::parse_json;
using namespace std::chrono_literals;

namespace {

constexpr char chat[] = "/v1/chat/completions";

/// One safetensors file with a tensor of that name.
std::string weights_named(std::string const& name, float value = 1) {
  float const data[4] = {value, 2, 3, 4};
  verbatim::tensor const t{name, verbatim::dtype::f32, {{4}, 1}, data};
  std::string out = verbatim::weights::safetensors_header({&t, 1});
  return out.append(reinterpret_cast<char const*>(data), sizeof data);
}

fake::answer put_weights(client& c, std::string const& body, std::string const& query = "", std::string const& extra = "") {
  c.send("POST /update_weights" + query + " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n" + extra + "\r\n" + body);
  return c.receive();
}
fake::answer bare_post(client& c, std::string const& path, std::string const& extra = "") {   // as `requests` sends it without a body
  c.send("POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n" + extra + "\r\n");
  return c.receive();
}
std::string version(client& c) { return parse_json(c.get("/get_weight_version").body)["weight_version"]; }

struct folder {
  folder() {
    std::string pattern = (std::filesystem::temp_directory_path() / "verbatim.XXXXXX").string();
    path = ::mkdtemp(pattern.data());
  }
  ~folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::filesystem::path path;
};

}  // namespace

TEST_CASE("control: weights from bytes and from a folder; versions; what is refused changes nothing") {
  fake::server server;
  client c(server.port());
  CHECK(version(c) == "0");
  auto const first = put_weights(c, weights_named("good"), "?weight_version=step%201&kv_policy=keep");
  CHECK(first.status == 200);
  CHECK(parse_json(first.body)["success"] == true);
  CHECK(version(c) == "step 1");
  CHECK(parse_json(c.get("/weight_info").body)["weight_version"] == "step 1");
  CHECK(parse_json(c.get("/get_model_info").body)["weight_version"] == "step 1");
  CHECK(c.get("/metrics").has("verbatim:weight_refits_total{model_name=\"fake\"} 1\n"));
  CHECK(parse_json(c.get("/get_weights_by_name?name=good&truncate_size=2").body) == json::array({1.0, 2.0}));

  for (std::string const& bad : {std::string("not safetensors"), std::string(), weights_named("other"), weights_named("good").substr(0, 60),
                                 weights_named("good") + "x", std::string(8, '\xff') + "{}", std::string("\x02\0\0\0\0\0\0\0{}", 10)}) {
    auto const answer = put_weights(c, bad);
    CHECK(answer.status == 400);
    CHECK(parse_json(answer.body)["success"] == false);
    CHECK(parse_json(answer.body)["message"].get<std::string>().find("[verbatim.checkpoint.") == 0);
    CHECK(answer.body.size() < 1000);
    CHECK(version(c) == "step 1");
  }
  CHECK(put_weights(c, weights_named("good"), "?kv_policy=maybe").status == 422);
  CHECK(put_weights(c, weights_named("good"), "?weight_version=" + std::string(200, 'x')).status == 422);
  CHECK(put_weights(c, weights_named("good"), "?weight_version=a%0Ab").status == 422);

  folder const disk;
  std::string const ask = "{\"model_path\":\"" + disk.path.string() + "\",\"weight_version\":\"disk\",\"flush_cache\":false}";
  CHECK(c.post("/update_weights_from_disk", ask).status == 400);
  std::ofstream(disk.path / "model.safetensors", std::ios::binary) << weights_named("good", 7);
  auto const loaded = c.post("/update_weights_from_disk", ask);
  CHECK(loaded.status == 200);
  CHECK(parse_json(loaded.body).contains("num_paused_requests"));
  CHECK(version(c) == "disk");
  CHECK(parse_json(c.post("/get_weights_by_name", "{\"name\":\"good\",\"truncate_size\":1}").body) == json::array({7.0}));
  CHECK(c.post("/update_weights", "{\"weight_dir\":\"" + disk.path.string() + "\"}").status == 200);
  CHECK(version(c) == "3");
  CHECK(c.post("/update_weights_from_disk", "{}").status == 422);
  CHECK(c.post("/update_weights_from_disk", "{\"model_path\":5}").status == 422);
  CHECK(c.post("/update_weights_from_disk", "[1]").status == 400);
  CHECK(c.post("/update_weights_from_disk", "{\"model_path\":\"/dev/null\"}").status == 400);

  CHECK(parse_json(c.post("/update_weight_version", "{\"new_version\":\"final\"}").body)["new_version"] == "final");
  CHECK(version(c) == "final");
  CHECK(c.post("/update_weight_version", "{}").status == 422);
  auto const sums = parse_json(c.post("/weights_checker", "{\"action\":\"checksum\"}").body);
  CHECK(sums["checksums"]["good"] == std::string(64, 'a'));
  CHECK(sums["checksum"].get<std::string>().size() == 64);
  CHECK(c.post("/weight_checker", "{\"action\":\"checksum\",\"names\":[\"good\"]}").status == 200);
  CHECK(c.post("/weight_checker", "{\"action\":\"checksum\",\"names\":[\"none\"]}").status == 400);
  CHECK(c.post("/weight_checker", "{\"action\":\"checksum\",\"names\":[\"good\",\"none\"]}").status == 400);
  CHECK(c.post("/weight_checker", "{\"action\":\"scribble\"}").status == 422);
  CHECK(c.get("/get_weights_by_name?name=good&truncate_size=x").status == 422);
  CHECK(parse_json(c.get("/get_world_size").body)["world_size"] == 1);
}

TEST_CASE("control: a body that is cut off, chunked, too long or of a lying length") {
  verbatim::openai o;
  o.refit_bytes = 5000;
  o.http.body_bytes = 1000;
  fake::server server(o);
  std::string const good = weights_named("good");
  {
    client c(server.port());
    c.send("POST /update_weights HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-safetensors\r\nContent-Length: " + std::to_string(good.size()) +
           "\r\n\r\n" + good.substr(0, good.size() - 1));
    std::this_thread::sleep_for(50ms);
    c.close();
  }
  client c(server.port());
  CHECK(version(c) == "0");
  c.send("POST /update_weights HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-safetensors\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (std::size_t at = 0; at < good.size(); at += 50) {
    std::string chunk;
    verbatim::put_chunk(chunk, std::string_view(good).substr(at, 50));
    c.send(chunk);
  }
  c.send("0\r\n\r\n");
  CHECK(c.receive().status == 200);
  CHECK(version(c) == "1");
  CHECK(put_weights(c, std::string(4000, 'x')).status == 400);   // more than other bodies may have
  client huge(server.port());
  huge.send("POST /update_weights HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: 99999999999999\r\n\r\n");
  CHECK(huge.receive().status == 413);
  client long_chat(server.port());
  long_chat.send("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n");
  CHECK(long_chat.receive().status == 413);
  CHECK(version(c) == "1");
}

TEST_CASE("control: one refit at a time") {
  fake::server server;
  server.engine().hold_orders(true);
  client a(server.port()), b(server.port());
  std::string const good = weights_named("good");
  a.send("POST /update_weights HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\nContent-Length: " + std::to_string(good.size()) +
         "\r\n\r\n" + good);
  std::this_thread::sleep_for(100ms);
  auto const second = put_weights(b, good);
  CHECK(second.status == 409);   // before its body is read
  folder const disk;
  std::ofstream(disk.path / "model.safetensors", std::ios::binary) << good;
  std::string const ask = "{\"model_path\":\"" + disk.path.string() + "\"}";
  client e(server.port()), d(server.port());
  auto const third = e.post("/update_weights_from_disk", ask);
  CHECK(third.status == 409);
  CHECK(parse_json(third.body)["success"] == false);
  server.engine().hold_orders(false);
  CHECK(a.receive().status == 200);
  CHECK(put_weights(d, good).status == 200);
  CHECK(d.post("/update_weights_from_disk", ask).status == 200);
}

TEST_CASE("control: who may steer") {
  std::string const changes[] = {"/pause", "/resume", "/flush_cache", "/reset_prefix_cache", "/pause_generation", "/continue_generation", "/abort_requests"};
  auto const bearer = [](std::string const& key) { return "Authorization: Bearer " + key + "\r\n"; };
  {
    fake::server server;   // this machine only, no keys
    client c(server.port());
    for (auto const& path : changes) CHECK(bare_post(c, path).status == 200);
    for (auto const& path : changes) CHECK(bare_post(c, path, "Origin: http://evil.example\r\n").status == 403);
    CHECK(c.get("/flush_cache").status == 200);
    CHECK(c.get("/flush_cache", "Sec-Fetch-Site: cross-site\r\n").status == 403);   // <img src=…> has no Origin
    CHECK(c.get("/flush_cache", "Referer: http://evil.example/\r\n").status == 403);
    c.send("POST /pause HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 0\r\n\r\n");
    CHECK(c.receive().status == 403);
    CHECK(c.get("/pause").status == 405);
    CHECK(c.post("/pause", "{}", "").status == 200);
    bare_post(c, "/resume");
  }
  {
    verbatim::openai o;
    o.api_keys = {"user"};
    fake::server server(o);   // keys, but none for administrators
    client c(server.port());
    for (auto const& path : changes) CHECK(bare_post(c, path, bearer("user")).status == 403);
    CHECK(c.get("/is_paused").status == 401);
    CHECK(c.get("/is_paused", bearer("user")).status == 200);
  }
  {
    verbatim::openai o;
    o.api_keys = {"user"};
    o.admin_keys = {"root"};
    fake::server server(o);
    client c(server.port());
    for (auto const& path : changes) {
      CHECK(bare_post(c, path).status == 401);
      CHECK(bare_post(c, path, bearer("user")).status == 401);
      CHECK(bare_post(c, path, bearer("root") + "Origin: http://localhost\r\n").status == 200);
    }
    bare_post(c, "/resume", bearer("root"));
    CHECK(c.post(chat, say("[say:x]"), bearer("root")).status == 200);
    CHECK(c.post(chat, say("[say:x]"), bearer("user")).status == 200);
    CHECK(c.post(chat, say("[say:x]")).status == 401);
    client d(server.port()), e(server.port());   // what is refused before its body is read ends its connection
    CHECK(put_weights(e, weights_named("good"), "", bearer("user")).status == 401);
    CHECK(put_weights(d, weights_named("good"), "", bearer("root")).status == 200);
  }
  {
    verbatim::openai o;
    o.admin_keys = {"root"};   // no key for clients
    fake::server server(o);
    client c(server.port());
    CHECK(c.post(chat, say("[say:x]")).status == 200);
    CHECK(bare_post(c, "/pause").status == 401);
    CHECK(c.get("/get_weight_version").status == 200);
  }
  {
    verbatim::openai o;
    o.allow_open = true;
    fake::server server(o);
    client c(server.port());
    CHECK(bare_post(c, "/pause").status == 403);
  }
}

TEST_CASE("control: pauses") {
  fake::server server;
  client c(server.port()), other(server.port());
  auto const paused = [&] { return parse_json(c.get("/is_paused").body)["is_paused"].get<bool>(); };
  CHECK(!paused());
  for (std::string const mode : {"keep", "wait", "abort"}) {
    CHECK(parse_json(bare_post(c, "/pause?mode=" + mode + "&clear_cache=false").body)["status"] == "paused");
    CHECK(paused());
    other.send(client::request("POST", chat, say("[say:later]")));
    std::this_thread::sleep_for(50ms);
    CHECK(server.unfinished() == 1);
    CHECK(parse_json(bare_post(c, "/resume").body)["status"] == "resumed");
    CHECK(!paused());
    CHECK(other.receive().has("later"));
  }
  for (std::string const mode : {"abort", "retract", "in_place"}) {
    CHECK(parse_json(c.post("/pause_generation", "{\"mode\":\"" + mode + "\"}").body)["status"] == "ok");
    CHECK(paused());
    CHECK(c.get("/health_generate").status == 503);
    CHECK(parse_json(c.post("/continue_generation", "{}").body)["status"] == "ok");
  }
  CHECK(c.post("/pause_generation", "{}").status == 200);
  CHECK(bare_post(c, "/resume").status == 200);
  CHECK(bare_post(c, "/pause?mode=sometimes").status == 422);
  CHECK(bare_post(c, "/pause?clear_cache=7").status == 422);
  CHECK(!paused());
  CHECK(c.get("/health_generate").status == 200);
}

TEST_CASE("control: aborts give what there is, by id and all, queued, running and streamed") {
  fake::server server({}, 4096, 2);   // two run, the others are queued
  client steer(server.port());
  auto const ask = [&](client& c, std::string const& id, std::string const& more = "") {
    c.send(client::request("POST", chat, say("[slow]", ",\"max_tokens\":4000,\"ignore_eos\":true,\"logprobs\":true,\"return_token_ids\":true" + more),
                           "X-Request-Id: " + id + "\r\n"));
    for (int i = 0; i < 200 && server.stats().running + server.stats().waiting == 0; ++i) std::this_thread::sleep_for(1ms);
    std::this_thread::sleep_for(60ms);
  };
  auto const check_whole = [](fake::answer const& a) {
    CHECK(a.status == 200);
    json const choice = parse_json(a.body)["choices"][0];
    CHECK(choice["finish_reason"] == "abort");
    CHECK(choice["token_ids"].size() == choice["logprobs"]["content"].size());
    return choice["token_ids"].size();
  };
  client a(server.port()), b(server.port()), queued(server.port()), streamed(server.port());
  ask(a, "one");
  ask(b, "two");
  ask(queued, "three");
  CHECK(steer.post("/abort_request", "{\"rid\":\"three\"}").status == 200);
  CHECK(check_whole(queued.receive()) == 0);
  CHECK(parse_json(steer.post("/abort_requests", "{\"request_ids\":[\"chatcmpl-one\",\"nobody\"]}").body)["aborted"] == 1);
  CHECK(check_whole(a.receive()) > 0);
  ask(streamed, "four", ",\"stream\":true");
  auto const all = steer.post("/abort_request", "{\"abort_all\":true}");
  CHECK(all.status == 200);
  CHECK(all.body.empty());
  CHECK(check_whole(b.receive()) > 0);
  auto const stream = streamed.receive();
  CHECK(stream.has("\"finish_reason\":\"abort\""));
  CHECK(stream.has("data: [DONE]"));
  CHECK(!stream.has("\"error\""));
  CHECK(steer.post("/abort_request", "{}").status == 422);
  CHECK(server.calm());
  CHECK(bare_post(steer, "/abort_requests").has("\"aborted\":0"));
}

TEST_CASE("control: answers say which weights sampled what, and what was given") {
  fake::server server;
  client c(server.port());
  put_weights(c, weights_named("good"), "?weight_version=w1");
  std::string const more = ",\"forced_token_ids\":[104,105],\"max_tokens\":4,\"logprobs\":true,\"logprobs_mode\":\"both\",\"ignore_eos\":true";
  auto const whole = c.post(chat, say("[say:abcdef]", more));
  CHECK(whole.status == 200);
  CHECK(whole.has("X-Weight-Version: w1"));
  json const choice = parse_json(whole.body)["choices"][0];
  CHECK(choice["weight_versions"] == json::array({{{"version", "w1"}, {"start", 0}, {"end", 4}}}));
  CHECK(choice["forced_tokens"] == json::array({{0, 2}}));
  CHECK(choice["message"]["content"].get<std::string>().substr(0, 2) == "hi");
  for (auto const& entry : choice["logprobs"]["content"]) CHECK(entry["raw_logprob"].get<double>() < entry["logprob"].get<double>());
  auto const streamed = c.post(chat, say("[say:abcdef]", more + ",\"stream\":true"));
  CHECK(streamed.has("\"weight_versions\":" + verbatim::dump_json(choice["weight_versions"])));
  CHECK(streamed.has("\"forced_tokens\":[[0,2]]"));
  CHECK(!c.post(chat, say("[say:abcdef]", ",\"return_weight_versions\":false")).has("weight_versions"));
  auto const plain = parse_json(c.post("/v1/completions",
                                       "{\"prompt\":\"[say:xyz]\",\"forced_token_ids\":[104,105,106],\"logprobs\":0,\"logprobs_mode\":\"both\"}").body)["choices"][0];
  CHECK(plain["logprobs"]["tokens"].size() == 3);   // without max_tokens, what is given
  CHECK(plain["logprobs"]["raw_token_logprobs"].size() == 3);
  CHECK(plain["forced_tokens"] == json::array({{0, 3}}));
  // In a stream that weights overtake, the spans meet.
  client slow(server.port());
  slow.send(client::request("POST", chat, say("[slow]", ",\"max_tokens\":40,\"ignore_eos\":true")));
  std::this_thread::sleep_for(80ms);
  put_weights(c, weights_named("good"), "?weight_version=w2");
  json const spans = parse_json(slow.receive().body)["choices"][0]["weight_versions"];
  REQUIRE(spans.size() == 2);
  CHECK(spans[0]["version"] == "w1");
  CHECK(spans[0]["end"] == spans[1]["start"]);
  CHECK(spans[1]["version"] == "w2");
  CHECK(spans[1]["end"] == 40);
  for (auto const& bad : {",\"forced_token_ids\":[-1]", ",\"forced_token_ids\":[1,2,3],\"max_tokens\":2", ",\"logprobs_mode\":\"other\"", ",\"forced_token_ids\":\"x\""})
    CHECK(c.post(chat, say("x", bad)).status / 100 == 4);
}
