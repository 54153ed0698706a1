// Any text as an answer, taken apart: cut anywhere, the parts add up to the same. The first byte of the input chooses the
// rules, the second the cuts. What is called a tool call has arguments that stand in the text and are a JSON object.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "verbatim/protocol/openai/output_filter.hpp"

namespace {

using namespace verbatim::openai_v1;

struct parts {
  message_delta sum{};
  int reasoning_tokens = 0;
};

/// `most`: bytes of a piece.
parts take_apart(output_rules const& rules, std::string_view text, std::size_t most, unsigned seed) {
  std::mt19937 random(seed);
  output_filter filter(rules);
  parts out;
  message_delta delta;
  auto const add = [&] {
    out.sum.content += delta.content;
    out.sum.reasoning += delta.reasoning;
    for (tool_call& c : delta.tool_calls) out.sum.tool_calls.push_back(std::move(c));
    delta.clear();
  };
  while (!text.empty()) {
    std::size_t const n = std::min(text.size(), 1 + random() % most);
    filter.push(text.substr(0, n), 1, delta);
    text.remove_prefix(n);
    add();
  }
  filter.finish(delta);
  add();
  out.reasoning_tokens = filter.reasoning_tokens();
  return out;
}

void require(bool holds) {
  if (!holds) std::abort();
}

bool same(parts const& a, parts const& b) {
  auto const equal = [](tool_call const& x, tool_call const& y) { return x.index == y.index && x.name == y.name && x.arguments == y.arguments; };
  return a.sum.content == b.sum.content && a.sum.reasoning == b.sum.reasoning &&
         std::equal(a.sum.tool_calls.begin(), a.sum.tool_calls.end(), b.sum.tool_calls.begin(), b.sum.tool_calls.end(), equal);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size < 2) return 0;
  unsigned const bits = data[0], seed = data[1];
  std::string_view const text(reinterpret_cast<char const*>(data) + 2, size - 2);
  output_rules rules{.reasoning = (bits & 1) != 0, .tools = (bits & 2) != 0, .one_call = (bits & 4) != 0};
  rules.opened = rules.reasoning && (bits & 8) != 0;
  rules.opened_line = rules.opened && (bits & 16) != 0;
  parts const whole = take_apart(rules, text, text.size() + 1, 0), single = take_apart(rules, text, 1, 0);
  require(same(whole, single));
  require(same(whole, take_apart(rules, text, 2 + seed % 30, seed)));
  message_delta const& sum = whole.sum;
  require(sum.content.size() + sum.reasoning.size() <= text.size() && single.reasoning_tokens <= int(text.size()));
  require(rules.reasoning || (sum.reasoning.empty() && single.reasoning_tokens == 0));
  require(rules.reasoning || rules.tools || sum.content == text);
  require(rules.tools ? !rules.one_call || sum.tool_calls.size() < 2 : sum.tool_calls.empty());
  int index = 0;
  for (tool_call const& c : sum.tool_calls) {
    require(c.index == index++ && !c.name.empty());
    require(c.arguments == "{}" || text.find(c.arguments) != text.npos);
    require(verbatim::parse_json(c.arguments).is_object());   // throws, and so crashes, when it is none
  }
  return 0;
}
