// The OpenAI service without sockets: the scripted engine, driven by hand, behind in_process or polled step by step.
#include <atomic>
#include <set>
#include <string>
#include <thread>

#include "../http/fake_engine.hpp"
#include "catch.hpp"
#include "verbatim/protocol/openai/service.hpp"
#include "verbatim/transport/in_process.hpp"

using namespace verbatim;
using namespace verbatim::openai_v1;

namespace {

using service_type = service<fake::text, fake::chat_template>;

model_card card() {
  model_card c;
  c.name = "fake";
  c.context = 4096;
  c.vocabulary = fake::vocabulary;
  c.contract = 0xabcdef;
  c.turn_ends = {fake::end_turn};
  return c;
}

/// An engine thread, a service and calls.
struct bench {
  explicit bench(service_options o = {}, std::size_t queue = 64) : engine(queue), api(engine.text(), engine.chat(), engine.jobs(), card(), std::move(o)) {
    thread = std::thread([this] {
      while (!stop)
        if (!engine.poll()) engine.jobs().wait(std::chrono::milliseconds(5));
    });
  }
  ~bench() {
    stop = true;
    thread.join();
  }
  http_response post(std::string path, std::string body) {
    return in_process<service_type>(api).call({"POST", std::move(path), {{"Content-Type", "application/json"}}, std::move(body)});
  }
  http_response chat(std::string body) { return post("/v1/chat/completions", std::move(body)); }
  /// The status, and that a refusal is a proper error body.
  int status(std::string path, std::string body) {
    auto const r = post(std::move(path), std::move(body));
    if (r.head.status != 200) {
      json const e = parse_json(r.body);
      CHECK(e.size() == 1);
      CHECK(e.at("error").size() == 4);
      CHECK(r.body.size() < 16'000);
    }
    return r.head.status;
  }
  fake::engine engine;
  service_type api;
  std::atomic<bool> stop{false};
  std::thread thread;
};

constexpr char chat_path[] = "/v1/chat/completions";
std::string hello(std::string_view more = {}) { return "{\"messages\":[{\"role\":\"user\",\"content\":\"[say:hi]\"}]" + std::string(more) + "}"; }

}  // namespace

TEST_CASE("protocol/openai/service: bodies that are not a JSON object") {
  bench b;
  std::string deep = "{\"a\":";
  for (int i = 0; i < 100'000; ++i) deep += "[";
  for (std::string const& body : {std::string(), std::string("{"), std::string("[]"), std::string("null"), std::string("3"), std::string("\"x\""),
                                  std::string("{\"a\":1,}"),
                                  std::string("{\"a\":\"\xff\"}"), std::string("{\"a\":NaN}"), std::string("{\"a\":1e999}"), std::string("{} {}"),
                                  std::string("{\"a\":\"\\ud800\"}"), deep,
                                  std::string("\0", 1), hello().substr(0, 30)})
    for (auto path : {chat_path, "/v1/completions", "/tokenize", "/detokenize"}) CHECK(b.status(path, body) == 400);
  std::string wide = "{";
  for (int i = 0; i < 300; ++i) wide += "\"k" + std::to_string(i) + "\":0,";
  CHECK(b.status(chat_path, wide + "\"messages\":[]}") == 422);
}

TEST_CASE("protocol/openai/service: every field refuses every other type") {
  bench b;
  char const* const names[] = {"model", "messages", "temperature", "top_p", "top_k", "min_p", "n", "seed", "stop", "stop_token_ids", "ignore_eos", "min_tokens",
                               "max_tokens",
                               "max_completion_tokens", "logprobs", "top_logprobs", "prompt_logprobs", "logit_bias", "bad_words", "stream", "stream_options",
                               "tools", "tool_choice",
                               "chat_template_kwargs", "add_generation_prompt", "continue_final_message", "add_special_tokens", "return_token_ids",
                               "return_tokens_as_token_ids",
                               "include_stop_str_in_output", "skip_special_tokens", "frequency_penalty", "presence_penalty", "repetition_penalty", "request_id",
                               "reasoning_effort",
                               "vllm_xargs", "documents", "parallel_tool_calls"};
  char const* const values[] = {"true", "-1", "1e300", "-1e300", "0.5", "9223372036854775808", "\"\"", "\"x\"", "[]", "[null]", "[[]]", "[{}]", "[-1]", "{}",
                                "{\"a\":null}", "{\"\":{}}"};
  for (auto name : names)
    for (auto value : values) {
      INFO(name << ": " << value);
      std::string const body = "{\"messages\":[{\"role\":\"user\",\"content\":\"[say:hi]\"}],\"" + std::string(name) + "\":" + value + "}";
      int const status = b.status(chat_path, body);
      CHECK((status == 200 || status == 400 || status == 422 || status == 404));
      int const completion = b.status("/v1/completions", "{\"prompt\":\"[say:hi]\",\"" + std::string(name) + "\":" + value + "}");
      CHECK((completion == 200 || completion == 400 || completion == 422 || completion == 404));
    }
  for (auto value : values) CHECK(b.status("/v1/completions", "{\"prompt\":" + std::string(value) + "}") == (std::string_view(value) == "\"x\"" ? 200 : 422));
}

TEST_CASE("protocol/openai/service: tokens that come with messages, and what must come with them") {
  bench b;
  auto const status = [&](std::string messages, std::string more = "") {
    return b.status("/v1/chat/completions", R"({"max_tokens":1,"messages":[)" + messages + "]" + more + "}");
  };
  std::string const user = R"({"role":"user","content":"hi"},)", next = R"(,{"role":"user","content":"more"})";
  CHECK(status(user + R"({"role":"assistant","content":null})" + next) == 200);
  CHECK(status(user + R"({"role":"assistant"})" + next) == 422);
  CHECK(status(R"({"role":"user","content":null})") == 422);
  std::string const whole = R"({"role":"assistant","content":"a","prompt_token_ids":[5,6],"generation_token_ids":[7]})";
  CHECK(status(user + whole + next) == 200);
  for (auto const* half : {R"({"role":"assistant","content":"a","prompt_token_ids":[5,6]})", R"({"role":"assistant","content":"a","generation_token_ids":[5]})"}) {
    CHECK(status(user + half + next) == 422);
    CHECK(status(user + half + next + "," + whole + next) == 422);   // an earlier one too
  }
  CHECK(status(user + whole, R"(,"return_message_token_ids":true)") == 422);
  CHECK(status(user + whole, R"(,"return_message_token_ids":true,"logprobs":true)") == 200);
}

TEST_CASE("protocol/openai/service: an exact prefix without an answer loses no message") {
  bench b;
  auto const ids = [&](std::string body) {
    auto const r = b.post("/tokenize", std::move(body));
    CAPTURE(r.body);
    REQUIRE(r.head.status == 200);
    return parse_json(r.body)["tokens"];
  };
  std::string const hello = R"({"role":"user","content":"hello"})", system = R"({"role":"system","content":"S"})", more = R"({"role":"user","content":"IMPORTANT"})";
  auto const asked = [](std::string messages, json const& prefix, char const* rest = "") {
    return R"({"messages":[)" + messages + R"(],"required_prefix_token_ids":)" + prefix.dump() + rest + "}";
  };
  json const one = ids(R"({"messages":[)" + hello + R"(],"add_generation_prompt":false})"), both = ids(R"({"messages":[)" + hello + "," + more + "]}");
  CHECK(ids(asked(hello + "," + more, one)) == both);
  CHECK(ids(asked(hello, one)) == ids(R"({"messages":[)" + hello + "]}"));
  json const first = ids(R"({"messages":[)" + system + R"(],"add_generation_prompt":false})");
  CHECK(ids(asked(system + "," + more, first)) == ids(R"({"messages":[)" + system + "," + more + "]}"));
  json open = one;   // without the end and the line break
  open.erase(open.size() - 1), open.erase(open.size() - 1);
  CHECK(ids(asked(hello + "," + more, open)) == both);
  CHECK(b.status("/tokenize", asked(more, one)) == 400);
  CHECK(b.status("/tokenize", asked(more, both)) == 400);   // it has been answered for by nobody, and the ids go on after it
}

TEST_CASE("protocol/openai/service: a model without a chat template, and prompts without tokens") {
  fake::engine engine;
  service_type bare(engine.text(), nullptr, engine.jobs(), card(), {});
  auto const post = [&](char const* path, char const* body) {
    return in_process<service_type>(bare).call({"POST", path, {{"Content-Type", "application/json"}}, body});
  };
  auto const refused = post("/v1/chat/completions", R"({"messages":[{"role":"user","content":"hi"}]})");
  CHECK(refused.head.status == 422);
  CHECK(parse_json(refused.body)["error"]["code"] == "no_chat_template");
  CHECK(post("/v1/completions", R"({"prompt":""})").head.status == 422);
}

TEST_CASE("protocol/openai/service: a streamed answer adds up to the whole one, at every length") {
  bench b;
  for (int limit = 1; limit <= 40; ++limit) {
    std::string const common = ",\"seed\":5,\"logprobs\":true,\"return_token_ids\":true,\"stop\":[\"sum of\",\"größer \"],\"max_tokens\":" + std::to_string(limit);
    std::string const prompt = "{\"messages\":[{\"role\":\"user\",\"content\":\"go\"}]";
    json const whole = parse_json(b.chat(prompt + common + "}").body)["choices"][0];
    std::string const events = b.chat(prompt + common + ",\"stream\":true}").body;
    std::string text;
    json ids = json::array(), entries = json::array(), finish;
    std::size_t at = 0, end;
    for (; (end = events.find("\n\n", at)) != events.npos; at = end + 2) {
      std::string const line = events.substr(at, end - at);
      REQUIRE(line.substr(0, 6) == "data: ");
      if (line == "data: [DONE]") break;
      json const c = parse_json(line.substr(6))["choices"][0];
      REQUIRE(finish.is_null());
      text += c["delta"].value("content", "");
      for (auto const& id : c.value("token_ids", json::array())) ids.push_back(id);
      if (!c["logprobs"].is_null())
        for (auto const& e : c["logprobs"]["content"]) entries.push_back(e);
      finish = c["finish_reason"];
    }
    REQUIRE(end + 2 == events.size());
    CHECK(text == whole["message"]["content"]);
    CHECK(ids == whole["token_ids"]);
    CHECK(entries == whole["logprobs"]["content"]);
    CHECK(finish == whole["finish_reason"]);
    CHECK(ids.size() == entries.size());
  }
}

TEST_CASE("protocol/openai/service: failures before and in a stream") {
  bench b;
  std::string const failing = "{\"messages\":[{\"role\":\"user\",\"content\":\"[fail]\"}]";
  auto const whole = b.chat(failing + "}");
  CHECK(whole.head.status == 500);
  CHECK(parse_json(whole.body)["error"]["code"] == "engine_error");
  auto const stream = b.chat(failing + ",\"stream\":true}");
  CHECK(stream.head.status == 200);
  auto const error_at = stream.body.find("data: {\"error\":{");
  REQUIRE(error_at != std::string::npos);
  CHECK(stream.body.substr(stream.body.size() - 14) == "data: [DONE]\n\n");
  CHECK(stream.body.find("finish_reason\":\"", 0) == std::string::npos);
  CHECK(b.chat(hello(",\"chat_template_kwargs\":{\"fail\":1}")).head.status == 422);
}

TEST_CASE("protocol/openai/service: a full queue is 429, a closed one 503, and nothing is left behind") {
  bench b({}, 4);
  auto const full = b.post("/v1/completions", R"({"prompt":["[stall]","[stall]","[stall]","[stall]","[stall]"]})");
  CHECK(full.head.status == 429);
  bool retry = false;
  for (auto const& [name, value] : full.head.headers) retry = retry || (name == "Retry-After" && value == "1");
  CHECK(retry);
  for (int i = 0; i < 1000 && b.engine.jobs().unfinished() > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(b.engine.jobs().unfinished() == 0);
  b.engine.jobs().close();
  CHECK(b.status(chat_path, hello()) == 503);
  b.api.drain();
  CHECK(b.status(chat_path, hello()) == 503);
  CHECK(in_process<service_type>(b.api).call({"GET", "/health"}).head.status == 503);
}

TEST_CASE("protocol/openai/service: strict mode names unknown fields, otherwise a Warning does") {
  bench strict({.strict = true}), lenient;
  auto const refused = strict.chat(hello(",\"guided_jsn\":1"));
  CHECK(refused.head.status == 422);
  CHECK(parse_json(refused.body)["error"]["code"] == "unknown_parameter");
  auto const warned = lenient.chat(hello(",\"a\\r\\nb\":1"));
  CHECK(warned.head.status == 200);
  std::string warning;
  for (auto const& [name, value] : warned.head.headers)
    if (name == "Warning") warning = value;
  CHECK(warning == "299 - \"ignored fields: a??b\"");
}

TEST_CASE("protocol/openai/service: defaults come from the request, then the model, then OpenAI") {
  auto const read = [](model_card const& c, std::string_view body) {
    json const o = parse_json(body);
    problems p;
    fields f(o, "", p);
    auto r = read_chat(f, c, {}, {});
    CHECK(p.empty());
    return r.common.ask.sampling;
  };
  model_card plain = card(), own = card();
  own.defaults = {.temperature = 0.6f, .top_p = 0.95f, .min_p = 0.1f, .repetition_penalty = 1.1f, .top_k = 20};
  CHECK(read(plain, hello()).temperature == 1.0f);
  CHECK(read(plain, hello()).top_k == 0);
  CHECK(read(own, hello()).temperature == 0.6f);
  CHECK(read(own, hello()).top_k == 20);
  CHECK(read(own, hello(",\"temperature\":null")).temperature == 0.6f);
  CHECK(read(own, hello(",\"temperature\":0.2,\"top_k\":-1,\"top_p\":1")).temperature == 0.2f);
  CHECK(read(own, hello(",\"top_k\":-1")).top_k == 0);
  CHECK(read(own, hello(",\"seed\":12")).seed == 12);
  std::set<std::uint64_t> seeds;
  for (int i = 0; i < 50; ++i) seeds.insert(read(own, hello()).seed);
  CHECK(seeds.size() == 50);
}

TEST_CASE("protocol/openai/service: a reader that goes away, or is too slow, ends the request") {
  bench b({.pending_bytes = 5000});
  http_request r{"POST", chat_path, {{"Content-Type", "application/json"}}, hello(",\"stream\":true,\"max_tokens\":4000,\"ignore_eos\":true")};
  int seen = 0;
  in_process<service_type>(b.api).stream(r, [&](std::string_view) { return ++seen < 3; });
  auto const cancelled = [&] { return b.engine.jobs().stats().finished_cancelled; };   // published after the step that ended the request
  for (int i = 0; i < 1000 && cancelled() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(cancelled() == 1);
  auto const reply = b.api.open(r, [] {});   // nobody polls
  b.api.work(reply);
  for (int i = 0; i < 1000 && b.engine.jobs().unfinished() > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  std::string out;
  CHECK(reply->poll(out) == reply_state::complete);
  CHECK(out.find("data: {\"error\":") != out.npos);
  CHECK(out.find("data: [DONE]\n\n") == out.size() - 14);
}

TEST_CASE("protocol/openai/reply: an answer that lost events is an error, even when the engine came to its end") {
  fake::text const text;
  latency_metrics latency;
  reply<fake::text, plain_output> r({}, [] {}, 2000);
  r.shape().stream = true;
  r.expect(decltype(r)::chat_gather({text, r.shape()}, r.shape(), latency, r.arrival()));
  r.started();
  event e;
  for (int i = 0; i < 100; ++i) e.sample.id = 'a', e.text = "a", r.box().deliver(e, 0);   // nobody polls, no ticket stops it
  e.what = event::kind::finished, e.finish = finish_reason::length, e.text = {};
  r.box().deliver(e, 0);
  std::string out;
  CHECK(r.poll(out) == reply_state::complete);
  CHECK(out.find("data: {\"error\":") == 0);
  CHECK(out.find("finish_reason") == out.npos);
}

TEST_CASE("protocol/openai/logprobs: tokens that are no text, and equal names") {
  fake::text const text;
  std::string out;
  score const top[] = {{-0.5f, 0xc3}, {-1.0f, 'a'}};
  put_chat_logprob(out, text, {0xc3, -0.5f, 1}, top, false);
  json const entry = parse_json(out);
  CHECK(entry["bytes"] == json::array({0xc3}));
  CHECK(entry["token"] == "\xef\xbf\xbd");
  CHECK(entry["top_logprobs"].size() == 2);
  legacy_logprobs legacy;
  legacy.add(text, {'h', -0.25f, 1}, {}, "h", false, true);
  legacy.add(text, {0xc3, -0.5f, 1}, top, "\xc3", false, false);
  legacy.add(text, {0xa9, -0.5f, 3}, top, "\xa9", false, false);
  legacy.add(text, {'x', -0.5f, 3}, top, "x", false, false);
  std::string arrays;
  legacy.put(arrays);
  json const l = parse_json(arrays);
  CHECK(l["tokens"] == json::array({"h", "bytes:\\xc3", "bytes:\\xa9", "x"}));
  CHECK(l["text_offset"] == json::array({0, 1, 1, 2}));
  CHECK(l["token_logprobs"][0].is_null());
  CHECK(l["top_logprobs"][1].size() == 2);
  CHECK(l["top_logprobs"][2].size() == 3);
}

TEST_CASE("protocol/metrics: histograms are cumulative and labels are escaped") {
  latency_metrics l;
  for (double v : {0.0005, 0.03, 5000.0}) l.first_token.observe(v);
  engine_stats s;
  s.pages_total = 4;
  s.pages_used = 1;
  std::string const page = metrics_page("a\"b\\", s, l);
  CHECK(page.find("vllm:time_to_first_token_seconds_bucket{model_name=\"a\\\"b\\\\\",le=\"0.001\"} 1\n") != page.npos);
  CHECK(page.find(",le=\"0.04\"} 2\n") != page.npos);
  CHECK(page.find("vllm:time_to_first_token_seconds_count{model_name=\"a\\\"b\\\\\"} 3\n") != page.npos);
  CHECK(page.find("vllm:kv_cache_usage_perc{model_name=\"a\\\"b\\\\\"} 0.25\n") != page.npos);
}
