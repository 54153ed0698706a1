// The exact prefix on plain numbers: the examples that NeMo RL's own tests give for replace_prefix_tokens, restated with a
// template and a tokenizer of numbers (a token is "<12>"), and the cases in which its back-ends decide differently.
#include <algorithm>
#include <charconv>
#include <random>
#include <string>
#include <vector>

#include "catch.hpp"
#include "verbatim/protocol/openai/exact_prompt.hpp"

using namespace verbatim;
using ids = std::vector<token>;

namespace {

constexpr token eos = 2;

std::string written(ids const& v) {
  std::string out;
  for (token id : v) out += "<" + std::to_string(id) + ">";
  return out;
}

struct numbers {
  void encode(std::string_view s, ids& out) const {
    while (!s.empty()) {
      std::size_t const end = s.find('>');
      int value = 0;
      bool const whole = s[0] == '<' && end != s.npos && std::from_chars(s.data() + 1, s.data() + end, value).ptr == s.data() + end;
      out.push_back(whole ? value : 1000000);   // a letter
      s.remove_prefix(whole ? end + 1 : 1);
    }
  }
  std::string decode(std::span<token const> v, bool) const { return written({v.begin(), v.end()}); }
};

std::vector<turn_end> named(ids const& ends) {
  std::vector<turn_end> out;
  for (token id : ends) out.push_back({id, written({id})});
  return out;
}

/// A conversation of numbers: a message's content stands in the text as it is, with what the template writes after it.
struct talk {
  ids head{};                        // what is rendered before the answer
  ids before{}, full{};              // what follows the answer where it is the last message, and in the whole conversation
  ids answer{};                      // the template's idea of it
  std::string render(json const& messages, bool whole) const {
    return written(head) + messages[0]["content"].get<std::string>() + (whole ? written(full) : written(before));
  }
};

struct outcome {
  ids prompt{};
  std::string error{};
};

outcome join_by(ids exact, talk const& t, std::vector<turn_end> const& named_ends) {
  json const messages = json::array({{{"role", "assistant"}, {"content", written(t.answer)}}});
  ids const given = exact;
  char const* why = openai_v1::append_rest(exact, messages, 0, t.render(messages, true), named_ends, numbers{},
                                           [&](json const& m, bool whole) { return t.render(m, whole); });
  REQUIRE(exact.size() >= given.size());
  CHECK(std::equal(given.begin(), given.end(), exact.begin()));
  if (why) CHECK(exact == given);
  return {std::move(exact), why ? why : ""};
}

ids joined_by(std::vector<turn_end> const& ends, ids const& exact, talk const& t) {
  auto const r = join_by(exact, t, ends);
  CAPTURE(r.error);
  REQUIRE(r.error.empty());
  return r.prompt;
}
ids joined(ids const& exact, talk const& t, ids const& ends = {eos}) { return joined_by(named(ends), exact, t); }

}  // namespace

TEST_CASE("protocol/splice: NeMo RL's examples") {
  CHECK(!join_by({1, 2}, {.head = {9}, .before = {2}, .full = {2}, .answer = {9}}, {}).error.empty());   // a model without an end of turn
  CHECK(joined({100, 2}, {.head = {9, 2}, .before = {2}, .full = {2, 77, 88}, .answer = {9}}) == ids{100, 2, 77, 88});
  CHECK(joined({11, 12, 13, 40, 41, 220, 17, 2}, {.head = {11, 12, 13, 40, 41}, .before = {2}, .full = {2, 21, 22, 40, 41}, .answer = {1001}}) ==
        ids{11, 12, 13, 40, 41, 220, 17, 2, 21, 22, 40, 41});
  // A template that drops reasoning from earlier turns: by position, 70 and 71 would be lost.
  CHECK(joined({11, 12, 99, 99, 99, 55, 2}, {.head = {11, 12}, .before = {2}, .full = {2, 70, 71, 2, 40, 41}, .answer = {56}}) ==
        ids{11, 12, 99, 99, 99, 55, 2, 70, 71, 2, 40, 41});
  // A prompt without an earlier answer (test_vllm_http_server_correct_merged_tokens_matches_baseline).
  CHECK(joined({151644, 872, 198, 26951, 3834}, {.head = {151644, 872, 198}, .before = {151645, 198}, .full = {151645, 198, 151644, 77091, 198}, .answer = {94224}},
               {151645, 151643}) ==
        ids{151644, 872, 198, 26951, 3834, 151645, 198, 151644, 77091, 198});
  CHECK(joined({10, 31, 32, 2}, {.head = {10}, .before = {2}, .full = {2, 40, 99}, .answer = {5}}) == ids{10, 31, 32, 2, 40, 99});   // Dynamo's wrapper
}

TEST_CASE("protocol/splice: a turn that was cut short, one with another end, and what a template writes around ends") {
  talk const usual{.head = {1, 5}, .before = {2, 8}, .full = {2, 8, 9, 4}, .answer = {7}};
  CHECK(joined({1, 5, 6}, usual) == ids{1, 5, 6, 2, 8, 9, 4});              // the template's own end is the joint
  CHECK(joined({1, 5, 6, 3}, usual, {2, 3}) == ids{1, 5, 6, 3, 8, 9, 4});   // another end stays, and no second one comes
  CHECK(joined({1, 5, 6, 2}, usual) == ids{1, 5, 6, 2, 8, 9, 4});           // what follows the end belongs to the template
  // Where nothing follows the template writes one more end of sequence (Phi-3, Mistral): it is not the end of the turn.
  talk const more{.head = {1, 5}, .before = {2, 8, 3}, .full = {2, 8, 9, 2, 4}, .answer = {7}};
  CHECK(joined({1, 5, 6, 2}, more, {2, 3}) == ids{1, 5, 6, 2, 8, 9, 2, 4});
  CHECK(joined({1, 5, 6}, more, {2, 3}) == ids{1, 5, 6, 2, 8, 9, 2, 4});
  // A template that ends a turn when the next begins, by an end of its own (2) or by the next one's first token (3, a user's turn).
  talk const open{.head = {1, 5}, .before = {}, .full = {2, 9, 4}, .answer = {7}};
  CHECK(joined({1, 5, 6}, open, {2, 3}) == ids{1, 5, 6, 2, 9, 4});
  CHECK(joined({1, 5, 6, 2}, open, {2, 3}) == ids{1, 5, 6, 2, 9, 4});
  talk const next{.head = {1, 5}, .before = {}, .full = {3, 9, 4}, .answer = {7}};
  CHECK(joined({1, 5, 6, 3}, next, {2, 3}) == ids{1, 5, 6, 3, 9, 4});
  CHECK(joined({1, 5, 6, 2}, next, {2, 3}) == ids{1, 5, 6, 2, 3, 9, 4});    // the model ended otherwise: the user's turn still begins
  CHECK(joined({1, 5, 6}, next, {2, 3}) == ids{1, 5, 6, 3, 9, 4});
  // An end of a call, then tool results: the template ends what has calls otherwise.
  talk const call{.head = {1}, .before = {30, 2}, .full = {30, 3, 9, 4}, .answer = {7}};
  CHECK(joined({1, 6, 30, 3}, call, {2, 3}) == ids{1, 6, 30, 3, 9, 4});
  CHECK(joined({1, 6, 30, 2}, call, {2, 3}) == ids{1, 6, 30, 2, 3, 9, 4});
}

TEST_CASE("protocol/splice: a model that stops at an end which its template writes otherwise once more follows") {
  // gpt-oss: <|return|> (2) at the very end, <|end|> (5) before the next turn. Mistral: nothing in its place: [INST] (6) begins a turn.
  talk const harmony{.head = {1}, .before = {2}, .full = {5, 9, 4}, .answer = {7}};
  CHECK(joined({1, 7, 2}, harmony, {2}) == ids{1, 7, 2, 5, 9, 4});   // nothing says what 5 is
  auto ends = named({2, 5});
  ends[1].closes = true;
  CHECK(joined_by(ends, {1, 7, 2}, harmony) == ids{1, 7, 2, 9, 4});
  CHECK(joined_by(ends, {1, 7, 5}, harmony) == ids{1, 7, 5, 9, 4});
  CHECK(joined_by(ends, {1, 7}, harmony) == ids{1, 7, 5, 9, 4});
  talk const next{.head = {1}, .before = {2}, .full = {6, 9, 4}, .answer = {7}};
  CHECK(joined_by(ends, {1, 7, 2}, next) == ids{1, 7, 2, 6, 9, 4});
}

TEST_CASE("protocol/splice: ids without an answer are the text of the conversation's beginning, or nothing") {
  // A template that names the speaker: <1> for the user. Its end of turn is <2>; <3> asks for an answer.
  auto const render = [](json const& m, bool whole) {
    std::string out = "<9>";
    for (auto const& one : m) out += "<1>" + one["content"].get<std::string>() + "<2>";
    return out + (whole ? "<3>" : "");
  };
  auto const ends = named({eos});
  auto const found = [&](ids const& exact, json const& texts) {
    json messages = json::array();
    for (auto const& t : texts) messages.push_back({{"role", "user"}, {"content", t}});
    return openai_v1::message_of(exact, messages, render(messages, true), ends, numbers{}, render);
  };
  constexpr std::size_t none = std::size_t(-1);
  CHECK(found({9, 1, 40, 41, 2}, {"<40><41>", "<41>"}) == 0);            // the second one's words end it too
  CHECK(found({9, 1, 40, 2}, {"<40>", "<40>"}) == 0);
  CHECK(found({9, 1, 40, 2, 1, 40}, {"<40>", "<40>"}) == 1);             // the last end may be missing
  CHECK(found({9, 1, 40, 2, 1, 40, 2, 3}, {"<40>", "<40>"}) == 2);       // all of it
  CHECK(found({8, 9, 1, 40, 2}, {"<40>", "<41>"}) == 0);                 // the tokenizer's own beginning
  CHECK(found({9, 1, 44, 40, 2}, {"<40>", "<41>"}) == none);
  CHECK(found({9, 1, 40, 2, 3}, {"<40>", "<41>"}) == none);
  json many = json::array();
  for (int i = 0; i < 100; ++i) many.push_back("<40>");
  CHECK(found({9, 1, 40, 2}, many) == none);                             // no more than eight are tried
}

TEST_CASE("protocol/splice: what cannot be joined is refused") {
  // The answer is not in the text.
  json const messages = json::array({{{"role", "assistant"}, {"content", "<7>"}}});
  auto const ends = named({eos});
  ids exact{1, 6, 2};
  auto const tried = [&](auto const& render) { return std::string(openai_v1::append_rest(exact, messages, 0, render(messages, true), ends, numbers{}, render)); };
  CHECK(tried([](json const&, bool) { return std::string("<1><2>"); }) == "the template does not show the answer that they end with");
  CHECK(exact == ids{1, 6, 2});
  // Text between the answer and the end changes as soon as more follows.
  CHECK(tried([](json const& m, bool whole) { return m[0]["content"].get<std::string>() + (whole ? "<8><9>" : "<30><2>"); }) ==
        "the template ends the answer otherwise when more follows");
  // What follows depends on what was said: the mark would be answered otherwise than the answer.
  CHECK(tried([](json const& m, bool whole) {
          auto const said = m[0]["content"].get<std::string>();
          return said + "<2>" + (whole ? (said == "<7>" ? "<40>" : "<41>") : "");
        }) == "what the template writes after an answer depends on the answer");
}

TEST_CASE("protocol/splice: the mark is a word that the conversation does not hold") {
  talk t{.head = {1, 5}, .before = {2}, .full = {2, 9}, .answer = {7}};
  json const messages = json::array({{{"role", "assistant"}, {"content", "QXZ0ZXQ <2> QXZ1ZXQ"}}});
  ids exact{1, 5, 6, 2};
  CHECK(openai_v1::append_rest(exact, messages, 0, t.render(messages, true), named({eos}), numbers{},
                               [&](json const& m, bool whole) { return t.render(m, whole); }) == nullptr);
  CHECK(exact == ids{1, 5, 6, 2, 9});
}

TEST_CASE("protocol/splice: a call is marked in its arguments") {
  json const messages = json::array({{{"role", "assistant"}, {"content", ""}, {"tool_calls", {{{"function", {{"name", "look"}, {"arguments", {{"q", "<55>"}}}}}}}}}});
  auto const render = [](json const& m, bool whole) {
    std::string out = "<1>" + m[0]["content"].get<std::string>();
    for (auto const& [key, value] : m[0]["tool_calls"][0]["function"]["arguments"].items()) out += "<20>" + key + "<21>" + value.get<std::string>();
    return out + "<30>" + (whole ? "<2><8><9>" : "<2><8>");
  };
  ids exact{1, 20, 77, 30, 2};
  CHECK(openai_v1::append_rest(exact, messages, 0, render(messages, true), named({eos}), numbers{}, render) == nullptr);
  CHECK(exact == ids{1, 20, 77, 30, 2, 8, 9});
}

TEST_CASE("protocol/splice: two histories of 457 tokens that differ in one id, with and without the last end and its newline") {
  // As NeMo RL's fixture: what the model sampled and what the template gives have the same length; the suffix after the last
  // answer's end has 16 tokens; ids differ at 416.
  constexpr token end = 151645, newline = 198;
  std::mt19937 random(4);
  ids og;
  for (int i = 0; i < 457; ++i) og.push_back(1000 + token(random() % 50000));
  for (int turn : {60, 140, 250, 330}) og[std::size_t(turn)] = end, og[std::size_t(turn) + 1] = newline;
  og[440] = end, og[441] = newline;   // 457 - 16 = 441: the prefix that ends in the end
  og[416] = 624;
  ids model = og;
  model[416] = 382;
  auto const head = [](ids const& v, int drop) { return ids(v.begin(), v.end() - drop); };
  talk t{.head = head(og, 457 - 400), .full = ids(og.begin() + 440, og.end()), .answer = ids(og.begin() + 400, og.begin() + 440)};
  for (bool line : {false, true}) {   // the template's text of the answered turn ends in the end, or in the newline after it
    t.before = line ? ids{end, newline} : ids{end};
    CHECK(joined(head(og, 16), t, {end}) == og);
    CHECK(joined(head(og, 17), t, {end}) == og);
    CHECK(joined(head(model, 16), t, {end}) == model);
    CHECK(joined(head(model, 17), t, {end}) == model);
  }
}

TEST_CASE("protocol/splice: turns chain, as a trainer checks them") {
  // NeMo RL's post-processing: each prompt begins with all that came before; what is new between them are the user's tokens.
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    auto const some = [&](int n) {
      ids out;
      for (int i = 1 + int(random() % unsigned(n)); i > 0; --i) out.push_back(10 + token(random() % 90));
      return out;
    };
    auto const append = [](ids& to, ids const& more) { to.insert(to.end(), more.begin(), more.end()); };
    ids rendered = some(5);           // the template's text so far
    ids prompt = rendered;
    for (int turn = 0; turn < 5; ++turn) {
      ids exact = prompt;
      append(exact, some(8));
      int const how = int(random() % 3);
      if (how == 0) exact.push_back(eos);
      if (how == 1) exact.push_back(3);
      talk t{.head = rendered, .before = {eos, 7}, .full = {eos, 7}, .answer = some(8)};
      append(t.full, some(6));        // the next user turn
      append(t.full, {eos, 7, 7});
      prompt = joined(exact, t, {eos, 3});
      ids expected = exact;           // everything that the template writes after the answer, once
      expected.insert(expected.end(), t.full.begin() + (how < 2 ? 1 : 0), t.full.end());
      REQUIRE(prompt == expected);
      append(rendered, t.answer);
      append(rendered, t.full);
    }
  }
}
