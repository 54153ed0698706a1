// The output filter: what model outputs are made of, and that it does not matter how their text was cut.
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "verbatim/protocol/openai/output_filter.hpp"

using namespace verbatim;
using namespace verbatim::openai_v1;

namespace {

/// The sum of the deltas.
struct fold {
  std::string reasoning{}, content{};
  std::vector<std::string> calls{};   ///< name, a blank, arguments
  void add(message_delta& d) {
    reasoning += d.reasoning;
    content += d.content;
    for (tool_call const& c : d.tool_calls) {
      CHECK(c.index == int(calls.size()));
      calls.push_back(c.name + ' ' + c.arguments);
    }
    d.clear();
  }
  bool operator==(fold const&) const = default;
};

std::ostream& operator<<(std::ostream& out, fold const& f) {
  out << "{reasoning \"" << f.reasoning << "\", content \"" << f.content << "\"";
  for (auto const& c : f.calls) out << ", call " << c;
  return out << "}";
}

/// `cut(i)`: whether a piece ends before byte i.
template <class Cut> fold run(output_rules const& rules, std::string_view text, Cut cut) {
  output_filter filter(rules);
  message_delta delta;
  fold sum;
  for (std::size_t at = 0, end; at < text.size(); at = end) {
    for (end = at + 1; end < text.size() && !cut(end);) ++end;
    filter.push(text.substr(at, end - at), token(at), delta);
    sum.add(delta);
  }
  filter.finish(delta);
  sum.add(delta);
  CHECK(filter.calls() == int(sum.calls.size()));
  return sum;
}
fold whole(output_rules const& rules, std::string_view text) {
  return run(rules, text, [](std::size_t) { return false; });
}
void check_cuts(output_rules const& rules, std::string_view text, fold const& due) {
  CHECK(run(rules, text, [](std::size_t) { return true; }) == due);
  for (std::size_t at = 1; at < text.size(); ++at) CHECK(run(rules, text, [&](std::size_t i) { return i == at; }) == due);
  std::mt19937 random(std::uint32_t(text.size()));
  for (int i = 0; i < 20; ++i) CHECK(run(rules, text, [&](std::size_t) { return random() % 4 == 0; }) == due);
}

constexpr output_rules both{.reasoning = true, .tools = true}, only_reasoning{.reasoning = true}, only_tools{.tools = true};
constexpr output_rules opened{.reasoning = true, .opened = true, .opened_line = true, .tools = true};
constexpr output_rules opened_bare{.reasoning = true, .opened = true, .tools = true};
constexpr output_rules one{.reasoning = true, .tools = true, .one_call = true};

struct sample {
  char const* what;
  output_rules rules;
  std::string text;
  fold due;
};

#define CALL(json) "<tool_call>\n" json "\n</tool_call>"
#define F R"({"name": "f", "arguments": {"q": 1}})"

std::vector<sample> const samples = {
    {"nothing", both, "", {}},
    {"plain", both, "Hello.\n", {"", "Hello.\n"}},
    {"Qwen3, thinking", both, "<think>\nTwo and two.\n</think>\n\nFour.", {"Two and two.", "Four."}},
    {"Qwen3, empty thinking", both, "<think>\n\n</think>\n\nFour.", {"", "Four."}},
    {"no line breaks", both, "<think>a</think>b", {"a", "b"}},
    {"one line break belongs to a marker, two to the end", both, "<think>\n\na\n\n</think>\n\n\nb", {"\na\n", "\nb"}},
    {"white space before", both, " \n<think>a</think>b", {"a", "b"}},
    {"white space alone", both, " \n\t", {"", " \n\t"}},
    {"white space before content", both, "\n\n x", {"", "\n\n x"}},
    {"no end", both, "<think>\nso far\n", {"so far\n", ""}},
    {"cut inside the end", both, "<think>so</thin", {"so</thin", ""}},
    {"cut inside the beginning", both, "<thi", {"", "<thi"}},
    {"not at the start", both, "a <think>b</think>", {"", "a <think>b</think>"}},
    {"later blocks are content", both, "<think>a</think>b<think>c</think>", {"a", "b<think>c</think>"}},
    {"a stray end is content", both, "a</think>b", {"", "a</think>b"}},
    {"opening again inside", both, "<think>a<think>b</think>c", {"a<think>b", "c"}},
    {"almost markers", both, "<think>a<</think</think >b<//think></think>c<", {"a<</think</think >b<//think>", "c<"}},
    {"a '<' before a marker", both, "<think>a<</think>b</<" CALL(F), {"a<", "b</<", {"f {\"q\": 1}"}}},
    {"a '<' before the end of a call", both, "<tool_call>" F "<</tool_call>" CALL(F), {"", "<tool_call>" F "<</tool_call>", {"f {\"q\": 1}"}}},
    {"opened by the prompt", opened, "Two.\n</think>\n\nFour.", {"Two.", "Four."}},
    {"opened, the first line break is text", opened, "\nTwo</think>Four", {"\nTwo", "Four"}},
    {"opened without a line break", opened_bare, "\nTwo\n</think>\nFour", {"Two", "Four"}},
    {"opened, no end", opened, "Two and", {"Two and", ""}},
    {"opened, at once closed", opened, "</think>Four", {"", "Four"}},
    {"reasoning is not asked for", only_tools, "<think>a</think>b", {"", "<think>a</think>b"}},
    {"nothing is asked for", {}, "<think>a</think>\n\n" CALL(F), {"", "<think>a</think>\n\n" CALL(F)}},
    {"one call", both, CALL(F), {"", "", {"f {\"q\": 1}"}}},
    {"EXAONE: no line breaks", both, "<tool_call>" F "</tool_call>", {"", "", {"f {\"q\": 1}"}}},
    {"content and a call", both, "Let me look.\n\n" CALL(F) "\n", {"", "Let me look.", {"f {\"q\": 1}"}}},
    {"reasoning, content and calls", both, "<think>\na\n</think>\n\nb\n" CALL(F) "\n" CALL(R"({"name":"g","arguments":{}})"), {"a", "b", {"f {\"q\": 1}", "g {}"}}},
    {"text behind a call", both, CALL(F) "\nDone.\n" CALL(F) "!", {"", "", {"f {\"q\": 1}", "f {\"q\": 1}"}}},
    {"a call ends reasoning", both, "<think>\nI call.\n" CALL(F), {"I call.", "", {"f {\"q\": 1}"}}},
    {"a call without tools is text", only_reasoning, "<think>a" CALL(F) "</think>" CALL(F), {"a" CALL(F), CALL(F)}},
    {"speaking of calls in reasoning", both, "<think>A <tool_call> is {\"x\"} no\n</think>\n\nFour.", {"A <tool_call> is {\"x\"} no", "Four."}},
    {"a failed call in reasoning", both, "<think>" CALL("{\"name\": 1}") "</think>Four.", {CALL("{\"name\": 1}"), "Four."}},
    {"a call that breaks off into the end of reasoning", both, "<think>x<tool_call>{\"name\":\"f\"}</think>b", {"x<tool_call>{\"name\":\"f\"}", "b"}},
    {"no closing tag", both, "<tool_call>\n" F, {"", "", {"f {\"q\": 1}"}}},
    {"half a closing tag", both, "<tool_call>\n" F "\n</tool_", {"", "", {"f {\"q\": 1}"}}},
    {"no closing tag, then another call", both, "<tool_call>\n" F "\n" CALL(F), {"", "<tool_call>\n" F, {"f {\"q\": 1}"}}},
    {"cut off", both, "Well.\n\n<tool_call>\n{\"name\": \"f\", \"argum", {"", "Well.\n\n<tool_call>\n{\"name\": \"f\", \"argum"}},
    {"the second cut off", both, CALL(F) "\n<tool_call>\n{\"na", {"", "<tool_call>\n{\"na", {"f {\"q\": 1}"}}},
    {"cut inside the marker", both, "Well.\n<tool_ca", {"", "Well.\n<tool_ca"}},
    {"a word that begins like a marker", both, "a <tool> and <tool_caller> <t", {"", "a <tool> and <tool_caller> <t"}},
    {"nesting, quotes and escapes", both, CALL(R"({"arguments": {"a": {"b": [1, {"c": "}\"]{ \\"}]}, "d": "</tool_call>"} , "name": "f"})"),
     {"", "", {R"(f {"a": {"b": [1, {"c": "}\"]{ \\"}]}, "d": "</tool_call>"})"}}},
    {"arguments are verbatim", both, CALL("{\"name\": \"f\", \"arguments\": { \"x\":1.50 ,\n\"y\":\"\\u00e9\",\"x\" : 2e0 }}"),
     {"", "", {"f { \"x\":1.50 ,\n\"y\":\"\\u00e9\",\"x\" : 2e0 }"}}},
    {"not ASCII", both, "größer 数字 🙂\n" CALL(R"({"name": "größer", "arguments": {"数": "字🙂"}})"), {"", "größer 数字 🙂", {R"(größer {"数": "字🙂"})"}}},
    {"parameters", both, CALL(R"({"name": "f", "parameters": {"q": 1}, "id": [2]})"), {"", "", {"f {\"q\": 1}"}}},
    {"no arguments", both, CALL(R"({"name": "f"})"), {"", "", {"f {}"}}},
    {"names and keys with escapes, the last counts", both, CALL(R"({"name": "f\u0031", "arguments": {}, "argum\u0065nts": {"q":2}})"), {"", "", {"f1 {\"q\":2}"}}},
    {"only the first call", one, CALL(F) CALL(R"({"name":"g"})") "<tool_call>{", {"", "", {"f {\"q\": 1}"}}},
    {"a failed call, then text, then a call", both, CALL("{f()}") "\nSorry.\n" CALL(F), {"", CALL("{f()}") "\nSorry.", {"f {\"q\": 1}"}}},
    {"a failed call behind a call", both, CALL(F) "\n" CALL("{\"name\": f}") " no", {"", CALL("{\"name\": f}"), {"f {\"q\": 1}"}}},
    {"a brace is missing", both, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"q\": 1}\n</tool_call>\nOh.",
     {"", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"q\": 1}\n</tool_call>\nOh."}},
    {"a brace too many", both, CALL(F "}") CALL(F), {"", CALL(F "}"), {"f {\"q\": 1}"}}},
    {"a quote is missing", both, CALL("{\"name\": \"f, \"arguments\": {}}") CALL(F), {"", CALL("{\"name\": \"f, \"arguments\": {}}"), {"f {\"q\": 1}"}}},
};

/// What is no call: the object between the markers.
char const* const no_calls[] = {"", " ", "null", "[]", "\"f\"", "f", "{}", "{\"name\":1}", "{\"name\":\"\"}", "{\"name\":\"f\",\"arguments\":null}",
                                "{\"name\":\"f\",\"arguments\":[]}",
                                "{\"name\":\"f\",\"arguments\":\"{}\"}", "{\"name\":\"f\",\"arguments\":{},}", "{\"name\":\"f\" \"arguments\":{}}", "{'name':'f'}",
                                "{\"name\":\"f\"}{}",
                                "{\"name\":\"f\",\"arguments\":{\"x\":NaN}}", "{\"name\":\"f\",\"arguments\":{\"x\":1e999}}",
                                "{\"name\":\"f\",\"arguments\":{\"x\":\"\\ud800\"}}",
                                "{\"name\":\"f\",\"arguments\":{\"x\":\"a\nb\"}}", "{\"name\":\"f\",\"arguments\":{\"x\":01}}", "{\"name\":\"f\",\"arguments\":{]}",
                                "{\"arguments\":{}}", "[{\"name\":\"f\"}]",
                                "<function=f>\n<parameter=q>\n1\n</parameter>\n</function>"};

}  // namespace

TEST_CASE("protocol/openai/output_filter: what outputs are made of, however they are cut") {
  for (sample const& s : samples) {
    INFO(s.what << ": " << s.text);
    CHECK(whole(s.rules, s.text) == s.due);
    check_cuts(s.rules, s.text, s.due);
  }
}

TEST_CASE("protocol/openai/output_filter: what is no call stays text, byte for byte") {
  for (std::string const body : no_calls)
    for (std::string const around : {"", "\n"}) {
      std::string const text = "Well.\n<tool_call>" + around + body + around + "</tool_call>\n";
      INFO(text);
      CHECK(whole(both, text) == fold{"", text});
      check_cuts(both, text, {"", text});
      CHECK(whole(both, "<think>" + text + "</think>") == fold{text.substr(0, text.size() - 1), ""});
      CHECK(whole(both, "<think>" + text) == fold{text, ""});
    }
}

TEST_CASE("protocol/openai/output_filter: names and nesting have bounds, length has none") {
  auto const call = [](std::string const& name, std::string const& arguments) {
    return "<tool_call>{\"name\":\"" + name + "\",\"arguments\":" + arguments + "}</tool_call>";
  };
  auto const nested = [](std::size_t n) { return "{\"a\":" + std::string(n - 1, '[') + std::string(n - 1, ']') + "}"; };
  CHECK(whole(both, call(std::string(4096, 'n'), "{}")).calls.size() == 1);
  CHECK(whole(both, call(std::string(4097, 'n'), "{}")).calls.empty());
  CHECK(whole(both, call("f", nested(63))).calls.size() == 1);
  CHECK(whole(both, call("f", nested(64))).content == call("f", nested(64)));
  CHECK(whole(both, call("f", nested(100'000))).content == call("f", nested(100'000)));
  std::string const big = "{\"a\":\"" + std::string(4 << 20, 'x') + "\"}";
  CHECK(whole(both, call("f", big)).calls.at(0) == "f " + big);
  std::string many;   // all of it is looked at twice at most
  for (int i = 0; i < 200'000; ++i) many += "\n<tool_call>{\"<tool_call></";
  CHECK(whole(both, many).content == many);
  CHECK(whole(both, "<think>" + many).reasoning == many.substr(1));
  std::string const breaks(4 << 20, '\n');
  CHECK(whole(both, breaks).content == breaks);
  CHECK(whole(both, "x" + breaks + CALL(F)).content == "x");
  CHECK(whole(both, "<think>x" + breaks + "</think>").reasoning.size() == breaks.size());
}

TEST_CASE("protocol/openai/output_filter: random texts of markers and pieces of calls") {
  char const* const pieces[] = {"<think>", "</think>", "<tool_call>", "</tool_call>", "\n", "{", "}", "\"", F, CALL(F), "<", "</", "tool_call>", "think>", "a",
                                "\\", ":", "{\"name\":\"g\"}", "é", " "};
  std::mt19937 random(7);
  for (int i = 0; i < 4000; ++i) {
    std::string text;
    for (auto n = random() % 14; n > 0; --n) text += pieces[random() % std::size(pieces)];
    output_rules const rules = {.reasoning = random() % 4 > 0, .opened = false, .opened_line = false, .tools = random() % 4 > 0, .one_call = random() % 4 == 0};
    INFO(text);
    fold const due = whole(rules, text);
    CHECK(run(rules, text, [](std::size_t) { return true; }) == due);
    CHECK(run(rules, text, [&](std::size_t) { return random() % 3 == 0; }) == due);
    if (!rules.tools && !rules.reasoning) CHECK(due == fold{"", text});
    if (due.calls.empty() && !rules.reasoning) CHECK(due.content == text);
  }
}

TEST_CASE("protocol/openai/output_filter: markers that are special tokens without text") {
  output_rules rules = both;
  rules.hidden = {1000, 1001, 1002, 1003};
  struct piece { char const* text; token id; };
  auto const said = [&](std::vector<piece> const& pieces) {
    output_filter filter(rules);
    message_delta delta;
    for (piece const& p : pieces) filter.push(p.text, p.id, delta);
    filter.finish(delta);
    fold sum;
    sum.add(delta);
    return sum;
  };
  std::vector<piece> const all = {{"", 1000}, {"\na", 1}, {"\n", 2}, {"", 1001}, {"\n\nb", 3}, {"", 1002}, {F, 4}, {"", 1003}, {"", 9}};
  CHECK(said(all) == fold{"a", "b", {"f {\"q\": 1}"}});
  CHECK(said({{"", 1000}, {"a", 1}, {"é", 1001}, {"b", 2}}) == fold{"aé", "b"});   // the text that came with it is older
  CHECK(said({{"x", 1}, {"", 1002}, {"y", 2}, {"", 1003}}) == fold{"", "x<tool_call>y</tool_call>"});
  rules.hidden = {-1, -1, -1, -1};
  CHECK(said(all) == fold{"", "\na\n\n\nb" F});
}

TEST_CASE("protocol/openai/output_filter: tokens of reasoning") {
  auto const tokens = [](output_rules const& rules, std::vector<char const*> const& pieces) {
    output_filter filter(rules);
    message_delta delta;
    for (char const* p : pieces) filter.push(p, 5, delta);
    filter.push("", -1, delta);
    filter.finish(delta);
    return filter.reasoning_tokens();
  };
  CHECK(tokens(both, {"<think>", "\n", "a", "\n", "</think>", "\n\n", "b", ""}) == 5);
  CHECK(tokens(both, {"<", "think", ">a", "</", "think>b", "c"}) == 5);
  CHECK(tokens(both, {" ", "<", "b", "c"}) == 0);
  CHECK(tokens(both, {"a", "b", ""}) == 0);
  CHECK(tokens(both, {"", "", ""}) == 0);
  CHECK(tokens(both, {"<think>", "a", "\n", ""}) == 4);
  CHECK(tokens(opened, {"a", "", "é", "</think>", "b"}) == 4);
  CHECK(tokens(opened, {"a", "\n", "<tool_call>", "{\"name\":\"f\"}", "</tool_call>", "\n"}) == 1);
  CHECK(tokens(opened, {"a", "<tool_call>", "x", "</think>", "b"}) == 4);
  CHECK(tokens({}, {"<think>", "a", "</think>"}) == 0);
}
