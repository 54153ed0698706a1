#include "verbatim/engine/stop_text.hpp"

#include <random>

#include "catch.hpp"

using verbatim::stop_text;

namespace {

struct outcome {
  std::string text, matched;
  friend bool operator==(outcome const&, outcome const&) = default;
};

/// Pushes `text` cut at the given places, as a stream would, and stops at a match.
outcome run(std::vector<std::string> const& stops, bool include, std::string const& text, std::vector<std::size_t> const& cuts) {
  stop_text s(stops, include);
  outcome out;
  std::size_t from = 0;
  for (std::size_t to : cuts) {
    if (auto const* hit = s.push(std::string_view(text).substr(from, to - from), out.text)) {
      out.matched = *hit;
      return out;
    }
    from = to;
  }
  s.finish(out.text);
  return out;
}

}  // namespace

TEST_CASE("stop_text: a match ends the text before it, or after it when included") {
  std::vector<std::string> const stops{"END"};
  CHECK(run(stops, false, "one END two", {4, 5, 6, 11}) == outcome{"one ", "END"});
  CHECK(run(stops, true, "one END two", {4, 5, 6, 11}) == outcome{"one END", "END"});
  CHECK(run(stops, false, "one EN", {5, 6}) == outcome{"one EN", ""});
}

TEST_CASE("stop_text: nothing that may become a match is shown early, everything else at once") {
  std::vector<std::string> const stops{"\n\nUser:"};
  stop_text s(stops, false);
  std::string out;
  CHECK(s.push("hello\n", out) == nullptr);
  CHECK(out == "hello");
  CHECK(s.push("\nUs", out) == nullptr);
  CHECK(out == "hello");
  CHECK(s.push("age", out) == nullptr);
  CHECK(out == "hello\n\nUsage");
}

TEST_CASE("stop_text: the outcome does not depend on where the stream was cut") {
  std::mt19937 random(7);
  auto const below = [&](int n) { return int(random() % unsigned(n)); };
  int matched = 0;
  for (int round = 0; round < 20000; ++round) {
    std::vector<std::string> stops(std::size_t(1 + below(3)));
    for (auto& s : stops)
      for (int n = 1 + below(4); n > 0; --n) s += char('a' + below(2));
    std::string text;
    for (int n = below(16); n > 0; --n) text += char('a' + below(2));
    std::vector<std::size_t> each, some;
    for (std::size_t i = 1; i <= text.size(); ++i) {
      each.push_back(i);
      if (below(3) == 0 || i == text.size()) some.push_back(i);
    }
    bool const include = below(2);
    auto const expected = run(stops, include, text, each);
    CAPTURE(text, stops, include);
    REQUIRE(run(stops, include, text, some) == expected);
    matched += !expected.matched.empty();
  }
  CHECK(matched > 5000);
}
