// The exact prefix over real chat templates: whole rollouts, with tools, reasoning and tool results, in which the ids that were
// sampled are not those that tokenising the text gives, and turns end by an end of sequence, by another one, or are cut off. Each
// prompt must begin with everything that was fed and sampled before, from chat and /tokenize alike, or the request is refused.
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "catch.hpp"
#include "verbatim/protocol/openai/tokenize.hpp"
#include "verbatim/text/chat_template.hpp"

using namespace verbatim;
using namespace verbatim::openai_v1;

namespace {

/// Bytes, some pairs of letters that encode() prefers, and the special words of a template. Sampled text may use either form.
struct tokens {
  static constexpr token pairs_at = 256, special_at = 256 + 26 * 26;
  std::vector<std::string> specials;

  static bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
  void encode(std::string_view s, std::vector<token>& out) const {
    while (!s.empty()) {
      std::size_t longest = 0, which = 0;
      for (std::size_t i = 0; i < specials.size(); ++i)
        if (specials[i].size() > longest && s.substr(0, specials[i].size()) == specials[i]) longest = specials[i].size(), which = i;
      if (longest > 0) out.push_back(special_at + token(which));
      else if (s.size() > 1 && is_letter(s[0]) && is_letter(s[1])) longest = 2, out.push_back(pairs_at + (s[0] - 'a') * 26 + (s[1] - 'a'));
      else longest = 1, out.push_back(static_cast<unsigned char>(s[0]));
      s.remove_prefix(longest);
    }
  }
  void encode_with_special(std::string_view s, std::vector<token>& out) const { encode(s, out); }
  std::string token_text(token id) const { return id >= special_at ? specials[std::size_t(id - special_at)] : std::string(); }
  std::string decode(std::vector<token> const& ids, bool = false) const {
    std::string out;
    for (token id : ids)
      if (id >= special_at) out += specials[std::size_t(id - special_at)];
      else if (id >= pairs_at) out += {char('a' + (id - pairs_at) / 26), char('a' + (id - pairs_at) % 26)};
      else out += char(id);
    return out;
  }
  token id_of(std::string const& special) const {
    for (std::size_t i = 0; i < specials.size(); ++i)
      if (specials[i] == special) return special_at + token(i);
    return -1;
  }
  int vocabulary() const { return special_at + int(specials.size()); }
};

std::vector<std::string> special_words(std::string const& source) {
  std::set<std::string> found{"</s>", "<seed:eos>", "<SPECIAL_12>", "[e~[", "[/INST]", "<end_of_sentence>", "<beginning_of_sentence>", "<s>", "<end_of_turn>",
                              "<start_of_turn>", "<turn|>", "<|turn>", "[e~[", "<|im_end|>"};
  for (std::size_t at = 0; (at = source.find('<', at)) != source.npos; ++at) {   // <|word|>, <｜word｜>
    std::size_t const end = source.find('>', at);
    std::string const word = source.substr(at, end == source.npos ? 0 : end - at + 1);
    bool const barred = word.substr(0, 2) == "<|" || word.substr(0, 4) == "<\xef\xbd\x9c";
    if (barred && word.size() > 3 && word.size() < 50 && word.find_first_of(" \n'\"{}") == word.npos) found.insert(word);
  }
  return {found.begin(), found.end()};
}

struct rollout_counts {
  int turns = 0, refused = 0, lost = 0, twice = 0, unshown = 0;
  std::map<std::string, int> why;
};

/// The special word that a template writes after an answer when such a message follows (none: ""): an end of sequence of the model.
/// -1: none.
token end_of(chat_template const& t, tokens const& text, std::string const& next) {
  json talk{{{"role", "user"}, {"content", "hi"}}, {{"role", "assistant"}, {"content", "QQQ"}}};
  if (next == "tool") talk[1]["tool_calls"] = {{{"id", "call_abcdef012"}, {"type", "function"}, {"function", {{"name", "look_up"}, {"arguments", json::object()}}}}};
  if (!next.empty()) talk.push_back({{"role", next}, {"content", "hi"}, {"tool_call_id", "call_abcdef012"}});
  try {
    std::string const all = t.render(talk);
    std::size_t const called = all.rfind("look_up"), said = all.find("QQQ"), at = next == "tool" ? called : said;
    if (at == all.npos) return -1;
    std::vector<token> rest;
    text.encode(std::string_view(all).substr(at), rest);
    for (token id : rest)
      if (id >= tokens::special_at && text.specials[std::size_t(id - tokens::special_at)].find("call") == std::string::npos) return id;
  } catch (error const&) {
  }
  return -1;
}

class rollout {
 public:
  rollout(chat_template const& t, tokens const& text, token end, std::uint32_t seed) : template_(t), text_(text), random_(seed) {
    rules_.vocabulary = text.vocabulary();
    std::vector<token> ends{end, text.id_of("</s>")};
    for (auto const* next : {"tool", ""})
      if (token const other = end_of(t, text, next); other >= 0) ends.push_back(other);
    rules_.turn_ends = named_ends(text, ends);
    end_ = end;
    card_.context = 1 << 20, card_.vocabulary = rules_.vocabulary;
  }
  /// Plays some turns. What a template or the splice refuses ends the rollout.
  void play(rollout_counts& n) {
    json messages = json::array();
    bool const tools = below(2), reasons = below(2);
    if (below(2)) messages.push_back({{"role", "system"}, {"content", words()}});
    messages.push_back({{"role", "user"}, {"content", name_of(0) + words()}});
    std::vector<token> seen;
    for (int turn = 0; turn < 4; ++turn) {
      json body{{"messages", messages}};
      if (tools)
        body["tools"] = {{{"type", "function"}, {"function", {{"name", "look_up"}, {"description", "d"},
                                                              {"parameters", {{"type", "object"}, {"properties", {{"q", {{"type", "string"}}}}}}}}}}};
      auto const prompt = prompt_of(body, n);
      if (prompt.empty()) return;
      REQUIRE(prompt.size() >= seen.size());
      REQUIRE(std::equal(seen.begin(), seen.end(), prompt.begin()));
      ++n.turns;
      if (turn > 0) check_rest({prompt.begin() + std::ptrdiff_t(seen.size()), prompt.end()}, body, messages.back()["content"], turn, n);
      json answer = answer_to(tools, reasons);
      auto const sampled = sample(answer);
      answer["prompt_token_ids"] = prompt;
      answer["generation_token_ids"] = sampled;
      answer["generation_log_probs"] = std::vector<float>(sampled.size(), -1.0f);
      seen = prompt;
      seen.insert(seen.end(), sampled.begin(), sampled.end());
      messages.push_back(answer);
      if (answer.contains("tool_calls"))
        messages.push_back({{"role", "tool"}, {"tool_call_id", "call_abcdef012"}, {"name", "look_up"}, {"content", name_of(turn + 1) + words()}});
      else messages.push_back({{"role", "user"}, {"content", name_of(turn + 1) + words()}});
    }
  }

 private:
  int below(int n) { return int(random_() % unsigned(n)); }
  static std::string name_of(int turn) { return "message" + std::to_string(turn) + "begins "; }
  std::string words() {
    std::string out;
    for (int i = 1 + below(6); i > 0; --i) {
      for (int k = 1 + below(6); k > 0; --k) out += char('a' + below(26));
      if (i > 1) out += ' ';
    }
    return out;
  }
  json answer_to(bool tools, bool reasons) {
    json m{{"role", "assistant"}, {"content", words()}};
    if (reasons && below(2)) m["reasoning"] = m["reasoning_content"] = words();
    if (tools && below(2))
      m["tool_calls"] = {{{"id", "call_abcdef012"}, {"type", "function"},
                          {"function", {{"name", "look_up"}, {"arguments", below(4) ? "{\"q\":  \"" + words() + "\"}" : "{\"q\": 1"}}}}};
    return m;
  }
  /// Some ids for an answer, as a model would have sampled them: letters one by one, and an end, or another, or none.
  std::vector<token> sample(json const& answer) {
    std::vector<token> out;
    for (char c : answer["content"].get<std::string>()) out.push_back(static_cast<unsigned char>(c));
    if (answer.contains("tool_calls")) text_.encode("<tool_call> look_up ", out);
    int const how = below(3);
    if (how == 0) out.push_back(end_);
    if (how == 1) out.push_back(text_.id_of("</s>"));
    return out;
  }
  /// What was appended must be the end of the template's own text, with the whole new message in it, once.
  void check_rest(std::vector<token> const& rest, json const& body, std::string const& said, int turn, rollout_counts& n) {
    problems p;
    json const parsed = parse_json(dump_json(body));
    fields f(parsed, "", p);
    conversation const talk = read_conversation(f, {}, rules_);
    std::string const full = template_.render(talk.messages, talk.tools, talk.kwargs, {.add_generation_prompt = true}), tail = text_.decode(rest);
    REQUIRE(full.size() >= tail.size());
    CHECK(full.substr(full.size() - tail.size()) == tail);
    auto const times = [&](std::string_view word) {
      int out = 0;
      for (std::size_t at = 0; (at = tail.find(word, at)) != tail.npos; ++at) ++out;
      return out;
    };
    if (full.find(said) == full.npos) ++n.unshown;   // some templates know no results of tools
    else n.lost += times(said) == 0;
    n.twice += times(said) > 1;
    for (int earlier = 0; earlier < turn; ++earlier) n.twice += times(name_of(earlier)) > 0;
  }
  /// By the way of chat and by that of /tokenize, which must agree. Empty: refused.
  std::vector<token> prompt_of(json const& body, rollout_counts& n) {
    json const parsed = parse_json(dump_json(body));
    problems p;
    fields f(parsed, "", p);
    conversation const talk = read_conversation(f, {}, rules_);
    REQUIRE(p.empty());
    std::vector<token> ids;
    auto const failed = tokenise(talk, text_, &template_, rules_, ids);
    auto const other = tokenize(parsed, text_, &template_, card_, {}, rules_);
    if (failed) {
      REQUIRE(std::holds_alternative<api_error>(other));
      REQUIRE(failed->message.find("context length") == std::string::npos);
      ++n.refused, ++n.why[failed->code];
      return {};
    }
    REQUIRE(parse_json(std::get<std::string>(other))["tokens"] == json(ids));
    return ids;
  }

  chat_template const& template_;
  tokens const& text_;
  std::mt19937 random_;
  chat_rules rules_;
  model_card card_;
  token end_ = -1;
};

std::vector<std::filesystem::path> real_templates() {
  std::vector<std::filesystem::path> out;
  for (auto const* folder : {"chat_templates/llama.cpp", "chat_templates/trl", "tokenizers"})
    if (std::filesystem::exists(testdata() / folder))
      for (auto const& e : std::filesystem::recursive_directory_iterator(testdata() / folder))
        if (e.path().extension() == ".jinja") out.push_back(e.path());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("protocol/splice: prompts begin with what was fed and sampled, over every real template") {
  auto const paths = real_templates();
  if (paths.empty()) return skip("no chat templates in the test data");
  int kept = 0, turns = 0, refusals = 0, lost = 0, twice = 0, unshown = 0;
  for (auto const& path : paths) {
    CAPTURE(path.string());
    std::string const source = read_bytes(path);
    tokens text{special_words(source)};
    chat_template const t(source, {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
    token const found = end_of(t, text, "user"), end = found < 0 ? text.id_of("</s>") : found;
    rollout_counts n;
    for (std::uint32_t seed = 0; seed < 24; ++seed) rollout(t, text, end, seed).play(n);
    turns += n.turns, refusals += n.refused, lost += n.lost, twice += n.twice, unshown += n.unshown;
    bool const good = n.turns >= 40;   // of at most 96; a template may refuse roles, tools or reasoning
    kept += good;
    if (!good || n.why.contains("prefix_mismatch") || n.lost + n.twice > 0) {
      std::cout << path.filename().string() << ": " << n.turns << " turns";
      for (auto const& [code, times] : n.why) std::cout << ", " << times << " " << code;
      if (n.lost + n.twice > 0) std::cout << ", lost " << n.lost << ", twice " << n.twice;
      std::cout << "\n";
    }
  }
  std::cout << paths.size() << " templates, " << kept << " with at least 40 turns of 96; " << turns << " turns whose prompt begins exactly, "
            << refusals << " refused; messages lost " << lost << ", twice " << twice << ", left out by the template itself " << unshown << "\n";
  CHECK(lost == 0);
  CHECK(twice == 0);
  CHECK(kept * 10 >= int(paths.size()) * 8);
}
