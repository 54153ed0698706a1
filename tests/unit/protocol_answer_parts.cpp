// What a service finds in its answers, and when: parsers by option, template and request.
#include <string>
#include <string_view>

#include "../http/fake_engine.hpp"
#include "catch.hpp"
#include "verbatim/protocol/openai/service.hpp"

using namespace verbatim;
using namespace verbatim::openai_v1;

namespace {

/// A template that says nothing of markers, or one of them.
struct chat_template : fake::chat_template {
  std::string source;
  bool mentions(std::string_view words) const { return source.find(words) != source.npos; }
};

struct bench {
  fake::engine engine;
  chat_template chat;
  service<fake::text, chat_template> api;

  explicit bench(std::string source = "</think><tool_call>", service_options o = {})
      : chat{{}, std::move(source)}, api(engine.text(), &chat, engine.jobs(), card(), std::move(o)) {}
  static model_card card() {
    model_card c;
    c.context = 4096;
    c.vocabulary = fake::vocabulary;
    return c;
  }
  json post(std::string_view path, json const& body) {
    auto const reply = api.open({"POST", std::string(path), {{"Content-Type", "application/json"}}, dump_json(body)}, [] {});
    api.work(reply);
    std::string out;
    while (reply->poll(out) != reply_state::complete) engine.poll();
    return parse_json(out);
  }
  json choice(std::string_view says, json more = json::object()) {
    more["messages"] = {{{"role", "user"}, {"content", "[say:" + std::string(says) + "]"}}};
    return post("/v1/chat/completions", more).at("choices").at(0);
  }
};

constexpr std::string_view text = "<think>\na\n</think>\n\nb\n<tool_call>\n{\"name\":\"f\"}\n</tool_call>";
json const tools = {{"tools", {{{"type", "function"}, {"function", {{"name", "f"}}}}}}};
bool thinks(json const& choice) { return choice["message"].contains("reasoning"); }
bool calls(json const& choice) { return choice["message"].contains("tool_calls"); }

}  // namespace

TEST_CASE("protocol/openai/parsers: the template decides, unless an option does") {
  struct row { char const* source; reasoning_format reasoning; tool_format tools; bool thinks, calls; };
  for (row const& r : {row{"", {}, {}, false, false}, row{"</think>", {}, {}, true, false}, row{"<tool_call>", {}, {}, false, true},
                       row{"</think><tool_call>", {}, {}, true, true},
                       row{"", reasoning_format::think, tool_format::hermes, true, true},
                       row{"</think><tool_call>", reasoning_format::none, tool_format::none, false, false}}) {
    INFO(r.source);
    bench b(r.source, {.reasoning_parser = r.reasoning, .tool_parser = r.tools});
    json const c = b.choice(text, tools);
    CHECK(thinks(c) == r.thinks);
    CHECK(calls(c) == r.calls);
    CHECK(c["finish_reason"] == (r.calls ? "tool_calls" : "stop"));
    if (!r.thinks && !r.calls) CHECK(c["message"] == json({{"role", "assistant"}, {"content", text}, {"refusal", nullptr}}));
  }
}

TEST_CASE("protocol/openai/parsers: tool calls are for requests that want them") {
  bench b;
  CHECK_FALSE(calls(b.choice(text)));
  json more = tools;
  more["tool_choice"] = "none";
  CHECK(b.choice(text, more)["message"]["content"] == "b\n<tool_call>\n{\"name\":\"f\"}\n</tool_call>");
  more["tool_choice"] = "auto";
  json const c = b.choice(text, more)["message"];
  CHECK(c["content"] == "b");
  CHECK(c["tool_calls"][0]["function"] == json({{"name", "f"}, {"arguments", "{}"}}));
  CHECK(b.choice(text.substr(text.find("<tool")), more)["message"]["content"].is_null());
}

TEST_CASE("protocol/openai/parsers: where the answer begins") {
  bench b;
  auto const message = [&](std::string_view says, json more) { return b.choice(says, std::move(more))["message"]; };
  auto const opened = [](std::string_view with) { return json{{"chat_template_kwargs", {{"open", with}}}}; };
  CHECK(message("a\n</think>\n\nb", opened("<think>\n"))["reasoning"] == "a");
  CHECK(message("\na\n</think>\n\nb", opened("<think>"))["reasoning"] == "a");
  CHECK(message("\na\n</think>\n\nb", opened("<think>\n"))["reasoning_content"] == "\na");
  CHECK(message("a", opened("<think>\n\n</think>\n\n")) == json({{"role", "assistant"}, {"content", "a"}, {"refusal", nullptr}}));
  CHECK(message("a</think>b", opened("<think>."))["content"] == "a</think>b");

  auto const continued = [&](std::string_view begun, std::string_view says) {
    json const talk = {{{"role", "user"}, {"content", "<think> [say:" + std::string(says) + "]"}}, {{"role", "assistant"}, {"content", begun}}};
    return b.post("/v1/chat/completions", {{"messages", talk}, {"continue_final_message", true}})["choices"][0]["message"];
  };
  CHECK(continued("<think>\nso", "a</think>b")["reasoning"] == "a");
  CHECK(continued("<think>", "\na</think>b")["reasoning"] == "a");
  CHECK(continued("<think>so</think>", "<think>a</think>b")["content"] == "<think>a</think>b");
  CHECK(continued("Well, ", "<think>a</think>b")["content"] == "<think>a</think>b");
  CHECK(continued(" ", "<think>a</think>b")["content"] == "b");
}

TEST_CASE("protocol/openai/parsers: completions stay as they are") {
  bench b;
  json const c = b.post("/v1/completions", {{"prompt", "[say:" + std::string(text) + "]"}, {"max_tokens", 200}});
  CHECK(c["choices"][0]["text"] == text);
  CHECK(c["choices"][0]["finish_reason"] == "stop");
  CHECK(c["usage"]["completion_tokens_details"]["reasoning_tokens"] == 0);
}

TEST_CASE("protocol/openai/parsers: ids of calls are functions of the answer's id and their place") {
  bench b;
  std::string const twice = std::string(text) + std::string(text.substr(text.find("<tool")));
  auto const ids = [&](char const* id) {
    json more = tools;
    more["request_id"] = id, more["n"] = 2;
    std::vector<std::string> out;
    json body = more;
    body["messages"] = {{{"role", "user"}, {"content", "[say:" + twice + "]"}}};
    json const answer = b.post("/v1/chat/completions", body);
    for (auto const& c : answer["choices"])
      for (auto const& call : c["message"]["tool_calls"]) out.push_back(call["id"].get<std::string>());
    return out;
  };
  auto const one = ids("one");
  REQUIRE(one.size() == 4);
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK(one[i] != one[j]);
  CHECK(ids("one") == one);
  CHECK(ids("two") != one);
}
