// scanners, regular expressions, normal forms, UTF-8 repair, cuts: the parts of the tokenizer one by one.
#include "catch.hpp"

#include <random>
#include <string>

#include "text_samples.hpp"

namespace d = verbatim::detail;

namespace {

std::string random_text(std::mt19937& random) {
  static constexpr std::string_view pieces[] = {"'s", "'S", "'\xC5\xBF", "'re", "'LL", " ", "  ", "\n", "\r\n", "\t", "\xC2\x85", "\xC2\xA0", "\xE3\x80\x80",
                                                "\xE1\xA0\x8E",
                                                "a", "B", "xyz", "ABC", "1", "12", "\xC2\xB2", "\xCC\x81", "\xC7\x85", "\xE4\xB8\xAD", "\xCA\xB0", "/", "!",
                                                "\xE2\x82\xAC", "_", "\xF0\x9F\x98\x80", "\xE2\x80\x8B", "'"};
  std::string out;
  for (std::size_t n = random() % 25; n-- > 0;) {
    if (random() % 3 != 0) {
      out += pieces[random() % std::size(pieces)];
    } else {
      char32_t const c = char32_t(random() % (random() % 4 == 0 ? 0x110000 : 0x3000));
      if (c < 0xD800 || c > 0xDFFF) d::utf8_append(out, c);
    }
  }
  return out;
}

std::vector<std::string> cuts(d::cut const& c, std::string_view text) {
  std::vector<std::string> out;
  c.pieces(text, [&](std::size_t begin, std::size_t end) { out.emplace_back(text.substr(begin, end - begin)); });
  return out;
}

std::string in_form(std::string text, d::normal_form form) {
  d::normalize(text, form, d::unicode::get());
  return text;
}

using list = std::vector<std::string>;

}  // namespace

TEST_CASE("scanners: equal to PCRE2 on random text") {
  std::mt19937 random(11);
  auto const pairs = text_samples::scanner_pairs();
  auto const patterns = text_samples::scanned_patterns();
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    CAPTURE(patterns[k]);
    REQUIRE(pairs[k].scan != nullptr);
    int wrong = 0;
    for (int i = 0; i < 4000; ++i) {
      std::string const text = random_text(random);
      if (text_samples::agree(pairs[k], text)) continue;
      if (++wrong == 1) CHECK(text == "");
    }
    CHECK(wrong == 0);
  }
  CHECK(d::scanner_of("[a-z]+") == nullptr);
}

TEST_CASE("regex_syntax: Ruby's meaning in PCRE2's words") {
  auto const all = [](std::string_view pattern, std::string_view text) {
    list found;
    d::regex(pattern).each(text, [&](d::match m) { found.emplace_back(text.substr(m.begin, m.end - m.begin)); });
    return found;
  };
  CHECK(all(R"(\d{1,2}+)", "12345") == list{"12345"});
  CHECK(all(R"(a++)", "aaab") == list{"aaa"});
  CHECK(all(R"(\s+)", "a\xE1\xA0\x8E" "b \xC2\x85" "c") == list{" \xC2\x85"});
  CHECK(all(R"([\s\S])", "a\n") == list{"a", "\n"});
  CHECK(all(R"(\h+)", "xfF0g") == list{"fF0"});
  CHECK(all(R"(\v)", "\n\x0b") == list{"\x0b"});
  CHECK(all(R"(^b)", "a\nb") == list{"b"});
  CHECK(all(R"(\u4e2d)", "\xE4\xB8\xAD") == list{"\xE4\xB8\xAD"});
  CHECK(all(R"([]a]+)", "]a") == list{"]a"});
  CHECK(all(R"(x*)", "axb") == list{"", "x", ""});
  CHECK_THROWS_AS(d::regex(R"(\X)"), verbatim::error);
  CHECK_THROWS_AS(d::regex(R"([a[b]])"), verbatim::error);
  CHECK_THROWS_AS(d::regex(")"), verbatim::error);
  CHECK_THROWS_AS(d::regex("\\"), verbatim::error);
}

TEST_CASE("normal_form: composition, order of marks, Hangul, idempotence") {
  using enum d::normal_form;
  CHECK(in_form("e\xCC\x81", nfc) == "\xC3\xA9");
  CHECK(in_form("\xC3\xA9", nfd) == "e\xCC\x81");
  CHECK(in_form("a\xCC\x81\xCC\xA3", nfd) == "a\xCC\xA3\xCC\x81");
  CHECK(in_form("\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8", nfc) == "\xEA\xB0\x81");
  CHECK(in_form("\xEA\xB0\x81", nfd) == "\xE1\x84\x80\xE1\x85\xA1\xE1\x86\xA8");
  CHECK(in_form("\xEF\xAC\x81", nfkc) == "fi");
  CHECK(in_form("\xE2\x84\xA6", nfc) == "\xCE\xA9");
  std::mt19937 random(5);
  for (int i = 0; i < 2000; ++i) {
    std::string const text = random_text(random);
    std::string const c = in_form(text, nfc);
    CHECK(in_form(c, nfc) == c);
    CHECK(in_form(in_form(text, nfd), nfc) == c);
    CHECK(d::nfc_prefix(c, d::unicode::get()) <= c.size());
  }
}

TEST_CASE("utf8_repair: one replacement for each maximal ill-formed part, in pieces or at once") {
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes, whole, parts;
    for (std::size_t n = random() % 12; n-- > 0;) bytes += char("\x41\x80\xBF\xC2\xE0\xE2\xED\xF0\xF4\xF5\x9F\xA0"[random() % 12]);
    d::utf8_repair one, many;
    one.push(bytes, whole);
    one.finish(whole);
    for (char b : bytes) many.push(std::string_view(&b, 1), parts);
    many.finish(parts);
    CHECK(whole == parts);
    CHECK(d::utf8_prefix(whole) == whole.size());
    std::string storage;
    CHECK(d::utf8_repaired(bytes, storage) == whole);
  }
  std::string storage;
  CHECK(d::utf8_repaired("\xF0\x9F\x98", storage) == "\xEF\xBF\xBD");
  CHECK(d::utf8_repaired("\xED\xA0\x80", storage) == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
}

TEST_CASE("split: every behaviour, and inverted") {
  d::cut c;
  c.of = [](char32_t x, d::cut const&, d::unicode const&) { return x == '-'; };
  std::string_view const text = "the-final--countdown";
  using enum d::behaviour;
  c.then = removed;
  CHECK(cuts(c, text) == list{"the", "final", "countdown"});
  c.then = isolated;
  CHECK(cuts(c, text) == list{"the", "-", "final", "-", "-", "countdown"});
  c.then = contiguous;
  CHECK(cuts(c, text) == list{"the", "-", "final", "--", "countdown"});
  c.then = merged_with_previous;
  CHECK(cuts(c, text) == list{"the-", "final-", "-", "countdown"});
  c.then = merged_with_next;
  CHECK(cuts(c, text) == list{"the", "-final", "-", "-countdown"});
  c.then = removed;
  c.invert = true;
  CHECK(cuts(c, text) == list{"-", "-", "-"});
}

TEST_CASE("added_tokens: longest first, spaces taken, words respected") {
  std::vector<d::added_token> tokens;
  tokens.push_back({1, "<a>", false, false, false, false, false, "<a>"});
  tokens.push_back({2, "<a><b>", false, false, false, true, false, "<a><b>"});
  tokens.push_back({3, "word", false, false, true, false, true, "word"});
  d::token_finder const finder(tokens);
  std::string out;
  std::string_view const text = "x<a> <a><b>  y sword  word";
  finder.each(text, [&](std::size_t b, std::size_t e) { out += "[" + std::string(text.substr(b, e - b)) + "]"; },
              [&](d::added_token const& t) { out += std::to_string(t.id); });
  CHECK(out == "[x]1[ ]2[y sword]3");
}
