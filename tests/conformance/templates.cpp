// Chat templates against Python jinja2 in transformers' configuration: every recorded rendering must be equal, and
// where jinja2 failed we must fail. The recorded data lies outside the repository; without it the cases are skipped.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>

#include "catch.hpp"
#include "verbatim/text/jinja/template.hpp"

using namespace verbatim;

namespace {

std::filesystem::path folder() { return testdata() / "chat_templates"; }

bool present(std::string const& name) {
  if (std::filesystem::exists(folder() / "goldens" / name)) return true;
  skip("no recorded renderings: " + name);
  return false;
}

std::tm pinned() {
  std::tm t{};
  t.tm_year = 125, t.tm_mon = 6, t.tm_mday = 10, t.tm_hour = 12, t.tm_wday = 4, t.tm_yday = 190;
  return t;
}

struct tally {
  int equal = 0, failed_alike = 0, wrong = 0;
  void check(std::string const& name, std::string const& source, json const& context, std::string const* expected) {
    std::string got;
    bool failed = false;
    try {
      got = jinja::source_template(source).render(context, pinned()).text;
    } catch (error const& e) {
      failed = true;
      got = e.what();
    }
    if (failed == !expected && (failed || got == *expected)) {
      ++(failed ? failed_alike : equal);
      return;
    }
    if (++wrong <= 20) UNSCOPED_INFO(name << "\n  expected: " << (expected ? *expected : "an error") << "\n  got:      " << got);
  }
  void report(char const* what) const {
    std::cout << what << ": " << equal << " equal, " << failed_alike << " refused alike, " << wrong << " wrong\n";
    CHECK(wrong == 0);
  }
};

}  // namespace

TEST_CASE("text/jinja/template renders recorded chats as jinja2 does") {
  if (!present("rendered.jsonl")) return;
  std::map<std::string, json> contexts;
  for (auto const& c : parse_json(read_bytes(folder() / "goldens/contexts.json"))) contexts[c["name"]] = c["context"];
  tally t;
  int templates = 0;
  std::ifstream lines(folder() / "goldens/rendered.jsonl");
  for (std::string line; std::getline(lines, line);) {
    json record = parse_json(line);
    std::string name = record["template"], source = read_bytes(folder() / name);
    REQUIRE(!source.empty());
    ++templates;
    for (auto const& [context, result] : record["cases"].items()) {
      std::string expected = result.value("expected", "");
      t.check(name + " with " + context, source, contexts.at(context), result.contains("expected") ? &expected : nullptr);
    }
  }
  std::cout << templates << " templates; ";
  t.report("rendered chats");
}

TEST_CASE("text/jinja/template speaks the language of jinja2") {
  if (!present("jinja_language.json")) return;
  tally t;
  for (auto const& c : parse_json(read_bytes(folder() / "goldens/jinja_language.json"))) {
    std::string expected = c.value("expected", "");
    t.check(c["name"], c["template"], c["context"], c.contains("expected") ? &expected : nullptr);
  }
  t.report("language");
}

TEST_CASE("text/jinja/template renders the recorded end-to-end cases") {
  if (!present("hf_jinja_e2e.json")) return;
  tally t;
  for (auto const& c : parse_json(read_bytes(folder() / "goldens/hf_jinja_e2e.json"))) {
    std::string expected = c.contains("python_jinja2") ? c["python_jinja2"]["expected"] : c["target"];
    t.check(c["name"], c["chat_template"], c["data"], &expected);
  }
  t.report("end to end");
}
