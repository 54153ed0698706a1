// Requests that are small to send and would be expensive to serve: each is answered at once, and with little.
#include <chrono>
#include <string>

#include "../http/fake_engine.hpp"
#include "catch.hpp"
#include "verbatim/engine/validate.hpp"
#include "verbatim/protocol/openai/service.hpp"
#include "verbatim/transport/in_process.hpp"

using namespace verbatim;
using namespace verbatim::openai_v1;

namespace {

/// Calls that never reach the engine: a refusal, or an answer of the tokenizer.
http_response post(std::string path, std::string body) {
  static fake::engine engine;
  model_card card;
  card.context = 4096;
  card.vocabulary = fake::vocabulary;
  service<fake::text, fake::chat_template> const api(engine.text(), engine.chat(), engine.jobs(), card, {});
  using service_type = service<fake::text, fake::chat_template> const;
  return in_process<service_type>(api).call({"POST", std::move(path), {{"Content-Type", "application/json"}}, std::move(body)});
}
double seconds_of(auto what) {
  auto const begin = std::chrono::steady_clock::now();
  what();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}
std::string many_keys(int n) {
  std::string out;
  for (int i = 0; i < n; ++i) out += "\"k" + std::to_string(i) + "\":0,";
  return out;
}

}  // namespace

TEST_CASE("protocol/openai/messages: a message of very many fields is refused in linear time") {
  std::string const body = "{\"messages\":[{" + many_keys(100'000) + "\"role\":\"user\",\"content\":\"x\"}]}";
  http_response r;
  CHECK(seconds_of([&] { r = post("/v1/chat/completions", body); }) < 5);
  CHECK(r.head.status == 422);
  CHECK(r.body.find("more than 256 fields") != r.body.npos);
}

TEST_CASE("protocol/openai/messages: arguments of a tool call are bounded as values, not only as text") {
  std::string array = "[0";
  for (int i = 0; i < 1'000'001; ++i) array += ",0";
  std::string const body = "{\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\","
                           "\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":" +
                           array + "]}\"}}]}]}";
  auto const r = post("/v1/chat/completions", body);
  CHECK(r.head.status == 422);
  CHECK(r.body.find("too many values") != r.body.npos);
}

TEST_CASE("protocol/openai/tokenize: detokenize answers no text that is many times its request") {
  auto const ids = [](int n) {
    std::string out = "{\"tokens\":[256";
    for (int i = 1; i < n; ++i) out += ",256";
    return out + "]}";
  };
  CHECK(post("/detokenize", ids(1'000'000)).head.status == 200);
  auto const more = post("/detokenize", ids(1'000'001));
  CHECK(more.head.status == 422);
  CHECK(more.body.size() < 1000);
}

TEST_CASE("protocol/openai/sampling_fields: a model's default top_p of 0 is one that the engine takes") {
  model_card card;
  card.defaults.top_p = 0.0f;
  json const body = json::object();
  problems p;
  fields f(body, "", p);
  generation_fields g = read_generation(f, card, {});
  g.ask.prompt = {1};
  CHECK(why_invalid(g.ask, {.vocabulary = 2, .context = 200, .max_logprobs = 20}).empty());
}
