// bpe: loading with its errors, encoding, streaming, and time on hostile texts.
#include "catch.hpp"

#include <chrono>
#include <random>
#include <string>
#include <thread>

#include "text_samples.hpp"
#include "verbatim/text/bpe.hpp"
#include "verbatim/text/tokenizer_config.hpp"
#include "verbatim/text/utf8.hpp"

namespace {

using verbatim::bpe;
using verbatim::token;

static_assert(verbatim::tokenizer<bpe>);

std::vector<token> encode(bpe const& t, std::string_view text) {
  std::vector<token> ids;
  t.encode(text, ids);
  return ids;
}

std::string stream(bpe const& t, std::vector<token> const& ids, bool skip) {
  std::string out;
  bpe::stream s(skip);
  for (token id : ids) {
    s.push(t, id, out);
    CHECK(verbatim::detail::utf8_prefix(out) == out.size());
  }
  s.finish(t, out);
  return out;
}

int refusal(std::string const& text) {
  try {
    bpe::from_json(text);
  } catch (verbatim::error const& e) {
    CHECK(e.area() == "tokenizer");
    CHECK(!e.message().empty());
    return e.number();
  }
  return 0;
}

std::string with_model(std::string const& model) { return R"({"model":{"type":"BPE",)" + model + "}}"; }

}  // namespace

TEST_CASE("bpe: replacements that multiply are refused, those of real files are not") {
  auto const with = [](std::string const& where, int steps, std::string const& what) {
    std::string list;
    for (int i = 0; i < steps; ++i) list += (i ? "," : "") + what;
    std::string const inner = where == "normalizer" ? "normalizers" : "decoders";
    return R"({"model":{"type":"BPE","vocab":{"a":0},"merges":[]},")" + where + R"(":{"type":"Sequence",")" + inner + "\":[" + list + "]}}";
  };
  std::string const doubles = R"({"type":"Replace","pattern":{"String":"a"},"content":"aa"})", between = R"({"type":"Replace","pattern":{"Regex":"b*"},"content":"a"})",
                    space = R"({"type":"Replace","pattern":{"String":" "},"content":"\u2581"})";
  for (auto where : {"normalizer", "decoder"}) {
    CHECK(refusal(with(where, 40, doubles)) == 3);
    CHECK(refusal(with(where, 40, between)) == 3);
    CHECK(refusal(with(where, 12, doubles)) == 0);
    CHECK(refusal(with(where, 1, space)) == 0);
  }
}

TEST_CASE("bpe: byte-level ids, added tokens, text and bytes of tokens") {
  bpe const t = bpe::from_json(text_samples::byte_level());
  CHECK(t.vocabulary() == 302);
  CHECK(encode(t, "hello hello") == std::vector<token>{259, 260});
  CHECK(encode(t, "hello<|end|><tool>h") == std::vector<token>{259, 300, 301, 'h'});
  CHECK(t.is_special(300));
  CHECK_FALSE(t.is_special(301));
  CHECK(t.find("<tool>") == 301);
  CHECK(t.find("hell") == 258);
  CHECK_FALSE(t.find("nothing").has_value());
  CHECK(t.token_text(260) == "\xC4\xA0hello");
  CHECK(t.token_bytes(260) == " hello");
  CHECK(t.token_text(999).empty());
  CHECK(t.decode(encode(t, "h\xC3\xA9<|end|>"), true) == "h\xC3\xA9");
  CHECK(t.decode(std::vector<token>{-5, 4000, 'h'}, false) == "h");
  CHECK(t.decode(std::vector<token>{0xE2, 0x96, 'h', 0xC3}, false) == "\xEF\xBF\xBDh\xEF\xBF\xBD");
  CHECK(t.decode(encode(t, "a\xFF\xE2\x82z"), false) == "a\xEF\xBF\xBD\xEF\xBF\xBDz");
}

TEST_CASE("bpe: stop tokens are the caller's") {
  bpe t = bpe::from_json(text_samples::byte_level());
  CHECK_FALSE(t.is_stop(300));
  t.set_stop({300});
  CHECK(t.is_stop(300));
  CHECK_FALSE(t.is_stop(301));
}

TEST_CASE("bpe: SentencePiece-like ids, byte fallback, special tokens around") {
  bpe const t = bpe::from_json(text_samples::sentence_pieces());
  CHECK(encode(t, "hello") == std::vector<token>{269});
  CHECK(encode(t, "hello  hello") == std::vector<token>{269, 259, 269});
  CHECK(encode(t, "\xE2\x82\xAC") == std::vector<token>{259, 3 + 0xE2, 3 + 0x82, 3 + 0xAC});
  std::vector<token> ids;
  t.encode_with_special("hello", ids);
  CHECK(ids == std::vector<token>{1, 269});
  CHECK(t.decode(ids, true) == "hello");
  CHECK(t.decode(std::vector<token>{3 + 0xE2, 3 + 0x82, 3 + 0xAC, 260}, false) == "\xE2\x82\xACh");
  CHECK(t.decode(std::vector<token>{3 + 0xE2, 3 + 0x82, 260}, false) == "\xEF\xBF\xBD\xEF\xBF\xBDh");
  CHECK(t.token_bytes(3 + 0xE2) == "\xE2");
}

TEST_CASE("bpe: streamed text is decoded text for any ids") {
  std::mt19937 random(7);
  for (auto const& text : {text_samples::byte_level(), text_samples::sentence_pieces()}) {
    bpe const t = bpe::from_json(text);
    for (int round = 0; round < 300; ++round) {
      std::vector<token> ids(random() % 40);
      for (token& id : ids) id = token(random() % std::size_t(t.vocabulary() + 3)) - 1;
      for (bool skip : {false, true}) CHECK(stream(t, ids, skip) == t.decode(ids, skip));
    }
  }
}

TEST_CASE("bpe: const members may run in many threads") {
  bpe const t = bpe::from_json(text_samples::byte_level());
  auto const expected = encode(t, "hello 12 \xC3\xA9 hello");
  std::vector<std::thread> threads;
  std::vector<int> wrong(4);
  for (int& w : wrong)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) w += encode(t, "hello 12 \xC3\xA9 hello") != expected;
    });
  for (auto& thread : threads) thread.join();
  CHECK(wrong == std::vector<int>(4));
}

TEST_CASE("bpe: a megabyte of anything takes time in proportion") {
  std::string const normal = R"("normalizer":{"type":"NFC"},)";
  for (auto const& json : {text_samples::byte_level(), text_samples::byte_level(normal), text_samples::sentence_pieces()}) {
    bpe const t = bpe::from_json(json);
    for (std::string_view unit : {"a", " ", "\n", " \n", "\xCC\x81", "\xCC\xA3\xCC\x81", "\xE2\x96\x81", "\xFF", "\xE4\xB8\xAD", "'", "<|en", "1", "hello",
                                  "\xEA\xB0\x80\xE1\x86\xA8"}) {
      CAPTURE(unit);
      std::string text;
      while (text.size() < 1'000'000) text += unit;
      auto const begin = std::chrono::steady_clock::now();
      auto const ids = encode(t, text);
      CHECK(!ids.empty());
      t.decode(ids, false);
      CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));  // quadratic would be minutes
    }
  }
}

TEST_CASE("bpe: hostile files are refused by number") {
  CHECK(refusal("") == 2);
  CHECK(refusal("[]") == 2);
  CHECK(refusal("{}") == 2);
  CHECK(refusal(R"({"model":3})") == 2);
  CHECK(refusal(std::string(100, '[')) == 2);
  CHECK(refusal(R"({"model":)" + std::string(100'000, '{')) == 2);
  CHECK(refusal(R"({"model":{"type":"Unigram","vocab":[["a",0.5]]}})") == 3);
  CHECK(refusal(with_model(R"("vocab":{"a":0},"merges":[],"dropout":0.1)")) == 3);
  CHECK(refusal(with_model(R"("merges":[])")) == 4);
  CHECK(refusal(with_model(R"("vocab":{"a":-1},"merges":[])")) == 4);
  CHECK(refusal(with_model(R"("vocab":{"a":16777216},"merges":[])")) == 4);
  CHECK(refusal(with_model(R"("vocab":{"a":18446744073709551615},"merges":[])")) == 4);
  CHECK(refusal(with_model(R"("vocab":{"a":1e9},"merges":[])")) == 4);
  CHECK(refusal(with_model(R"("vocab":{"a":0,"b":0},"merges":[])")) == 4);
  CHECK(refusal(with_model(R"("vocab":{"a":[]},"merges":[])")) == 4);
  CHECK(refusal(with_model(R"("vocab":{"a":0},"merges":[],"unk_token":"u")")) == 4);
  CHECK(refusal(with_model(R"("vocab":{"a":0})")) == 5);
  CHECK(refusal(with_model(R"("vocab":{"a":0},"merges":["a"])")) == 5);
  CHECK(refusal(with_model(R"("vocab":{"a":0},"merges":["a a a"])")) == 5);
  CHECK(refusal(with_model(R"("vocab":{"a":0},"merges":[["a"]])")) == 5);
  CHECK(refusal(with_model(R"("vocab":{"a":0},"merges":[["a","b","c"]])")) == 5);
  CHECK(refusal(with_model(R"("vocab":{"a":0},"merges":[3])")) == 5);
  CHECK(refusal(with_model(R"("vocab":{"a":0},"merges":["a a"])")) == 5);
  std::string const model = R"(,"model":{"vocab":{"a":0,"b":1},"merges":[]}})";
  CHECK(refusal(R"({"added_tokens":[{"id":0,"content":"b"}])" + model) == 6);
  CHECK(refusal(R"({"added_tokens":[{"id":0,"content":"c"}])" + model) == 6);
  CHECK(refusal(R"({"added_tokens":[{"id":5,"content":"c"},{"id":6,"content":"c"}])" + model) == 6);
  CHECK(refusal(R"({"added_tokens":[{"id":-5,"content":"c"}])" + model) == 2);
  CHECK(refusal(R"({"added_tokens":[{"id":5}])" + model) == 2);
  CHECK(refusal(R"({"added_tokens":{})" + model) == 2);
  CHECK(refusal(R"({"normalizer":{"type":"Precompiled","precompiled_charsmap":""})" + model) == 3);
  CHECK(refusal(R"({"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a"},"behavior":"Isolated"})" + model) == 7);
  CHECK(refusal(R"({"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[a&&b]"},"behavior":"Isolated"})" + model) == 7);
  CHECK(refusal(R"({"pre_tokenizer":{"type":"Split","pattern":{"String":"a"},"behavior":"Sideways"})" + model) == 2);
  CHECK(refusal(R"({"decoder":{"type":"CTC"})" + model) == 3);
  CHECK(refusal(R"({"post_processor":{"type":"TemplateProcessing","single":[],"special_tokens":{}})" + model) == 2);
  std::string nested = R"({"type":"NFC"})";
  for (int i = 0; i < 20; ++i) nested = R"({"type":"Sequence","normalizers":[)" + nested + "]}";
  CHECK(refusal(R"({"normalizer":)" + nested + model) == 2);
  CHECK(refusal(text_samples::byte_level()) == 0);
}

TEST_CASE("bpe: a regular expression that would run for ever gives up with an error") {
  bpe const t = bpe::from_json(R"({"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(?:(?:a|aa)+)+$"},"behavior":"Isolated"},"model":{"vocab":{"a":0},"merges":[]}})");
  std::vector<token> ids;
  try {
    t.encode(std::string(60, 'a') + 'b', ids);
    FAIL("an error expected");
  } catch (verbatim::error const& e) {
    CHECK(e.number() == 8);
  }
}

TEST_CASE("tokenizer_config: special strings as strings and as objects") {
  auto const s = verbatim::special_strings_of(R"({"bos_token":{"content":"<s>","lstrip":false},"eos_token":"</s>","pad_token":null})");
  CHECK(s.bos == "<s>");
  CHECK(s.eos == "</s>");
  CHECK_FALSE(s.pad.has_value());
  CHECK_THROWS_AS(verbatim::special_strings_of(R"({"bos_token":3})"), verbatim::error);
}
