// The template language by small cases, its limits under hostile templates, and chat templates as a whole.
#include <chrono>

#include "catch.hpp"
#include "verbatim/text/chat_template.hpp"

using namespace verbatim;

namespace {

std::string render(std::string const& source, std::string const& context = "{}") {
  return jinja::source_template(source).render(parse_json(context)).text;
}
int number_of(std::string const& source, jinja::limits l = {}) {
  try {
    jinja::source_template(source).render(json::object(), std::tm{}, l);
  } catch (error const& e) {
    CHECK(e.area() == "template");
    return e.number();
  }
  return 0;
}
std::string times(std::string const& s, int n) {
  std::string out;
  while (n-- > 0) out += s;
  return out;
}

}  // namespace

TEST_CASE("text/jinja/lexer trims white space as jinja2 does") {
  CHECK(render("a\n  {% if true %}\nb\n  {% endif %}\nc\n") == "a\nb\nc");
  CHECK(render("a {{- 1 -}} b") == "a1b");
  CHECK(render("{% raw %}{{ x }}{% endraw %}{# gone #}") == "{{ x }}");
}

TEST_CASE("text/jinja/operators compute as Python does") {
  CHECK(render("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 1e16 }} {{ 0.1 + 0.2 }}") == "-4 2 3.5 1024 1e+16 0.30000000000000004");
  CHECK(render("{{ [1, 'a', none, true, 1.0] }}") == "[1, 'a', None, True, 1.0]");
  CHECK(render("{{ s[::-1] }} {{ s | length }} {{ s[1] }}", R"({"s":"aéb"})") == "béa 3 é");
  CHECK(render("{{ '%05.1f|%x' % (3.14159, 255) }}") == "003.1|ff");
}

TEST_CASE("text/jinja/interpreter keeps jinja2's scopes") {
  CHECK(render("{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 9 %}{% endfor %}{{ x }}") == "111");
  CHECK(render("{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}") == "3");
  CHECK(render("{% macro m(a, b=2) %}{{ a }}{{ b }}{{ caller() }}{% endmacro %}{% call m(1) %}!{% endcall %}") == "12!");
  CHECK(render("{% for x in t recursive %}{{ x.n }}{{ loop(x.c) }}{% endfor %}", R"({"t":[{"n":1,"c":[{"n":2,"c":[]}]}]})") == "12");
}

TEST_CASE("text/jinja/template names what went wrong") {
  CHECK(number_of("{% if %}") == 1);
  CHECK(number_of("{{ 1 | no_such_filter }}") == 1);
  CHECK(number_of("{{ 'a' + 1 }}") == 2);
  CHECK(number_of("{{ [].append(1) }}") == 3);
  CHECK(number_of("{{ missing.attribute }}") == 3);
  CHECK(number_of("{{ raise_exception('no') }}") == 5);
}

TEST_CASE("text/jinja/limits stop hostile templates") {
  CHECK(number_of("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}") == 4);
  CHECK(number_of("{{ 'x' * 10000000000 }}") == 4);
  CHECK(number_of("{% set n = namespace(s='x') %}{% for i in range(99) %}{% set n.s = n.s ~ n.s %}{% endfor %}") == 4);
  CHECK(number_of("{% set n = namespace(s=[]) %}{% for i in range(9999) %}{% set n.s = [n.s] %}{% endfor %}") == 4);
  CHECK(number_of("{% set n = namespace(s=[1]) %}{% for i in range(99) %}{% set n.s = [n.s, n.s] %}{% endfor %}{{ n.s }}") == 4);
  CHECK(number_of("{% set n = namespace(g=[1]) %}{% for i in range(9999) %}{% set n.g = n.g | map('string') %}{% endfor %}") == 4);
  CHECK(number_of("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}") == 4);
  CHECK(number_of("{{ " + times("(", 5000) + "1" + times(")", 5000) + " }}") == 1);
  CHECK(number_of("{{ 1" + times(" + 1", 100000) + " }}") == 1);
  CHECK(number_of("{{ x" + times(".x", 100000) + " }}") == 1);
  CHECK(number_of(times("{% if 1 %}", 5000)) == 1);
  CHECK(number_of("{% set n = namespace() %}{% set n.me = n %}{% set n.l = [n] %}ok") == 0);
}

TEST_CASE("text/jinja/compare finds a long string in a longer one in linear time") {
  auto const begin = std::chrono::steady_clock::now();
  CHECK(render("{% set x = 'a' * 2000000 %}{{ ('a' * 1000000 ~ 'b') in x }} {{ ('a' * 1000000) in x }} {{ '' in '' }} {{ 'a' in '' }}") == "False True True False");
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}

TEST_CASE("text/chat_template looks for the message to continue in linear time") {
  chat_template const t("{% for m in messages %}{{ m.content }}|{% endfor %}");
  json const chat{{{"role", "user"}, {"content", std::string(2'000'000, 'a')}}, {{"role", "assistant"}, {"content", std::string(1'000'000, 'a') + "b"}}};
  auto const begin = std::chrono::steady_clock::now();
  CHECK(t.render(chat, nullptr, json::object(), {.continue_final_message = true}).size() == 3'000'002);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}

TEST_CASE("text/chat_template renders, chooses and continues") {
  chat_template const t("{{ bos_token }}{% for m in messages %}<{{ m.role }}>{% generation %}{{ m.content }}{% endgeneration +%}\n{% endfor %}"
                        "{% if add_generation_prompt %}<assistant>{% endif %}",
                        json{{"bos_token", "<s>"}});
  json const chat = parse_json(R"([{"role":"user","content":"Hi"},{"role":"assistant","content":"I am "}])");
  CHECK(t.render(chat) == "<s><user>Hi\n<assistant>I am \n");
  CHECK(t.render(chat, nullptr, json::object(), {.add_generation_prompt = true}) == "<s><user>Hi\n<assistant>I am \n<assistant>");
  CHECK(t.render(chat, nullptr, json::object(), {.continue_final_message = true}) == "<s><user>Hi\n<assistant>I am ");
  auto spans = t.render_spans(chat, nullptr, json::object(), {});
  REQUIRE(spans.generated.size() == 2);
  CHECK(spans.text.substr(spans.generated[1].begin, spans.generated[1].end - spans.generated[1].begin) == "I am ");
  CHECK_THROWS_AS(t.render(json::object()), error);
}
