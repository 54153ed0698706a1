// Delivery with a tokenizer of one letter per token: which events come, with what text and what reason.
#include "verbatim/engine/deliver.hpp"

#include "catch.hpp"
#include "verbatim/engine/intake.hpp"

using namespace verbatim;

namespace {

/// Token 1 is "a", 2 "b", ...; 0 ends the sequence; 26 is half of a code point, shown only at the end, as "?".
struct letters {
  struct stream {
    explicit stream(bool) {}
    bool half = false;
    void push(letters const&, token id, std::string& out) {
      if (id == 26) half = true;
      else out += char('a' + id - 1);
    }
    void finish(letters const&, std::string& out) {
      if (half) out += '?';
    }
  };
};

struct heard {
  std::string text, stop_text;
  finish_reason why = finish_reason::none;
  token stop_token = -1;
  int tokens = 0, finished = 0;
};

/// Delivers the letters of `output` ('.' is the end of sequence, 'z' half of a code point) to one continuation.
heard run(request r, std::string_view output, int context = 100, finish_reason at_end = finish_reason::cancelled) {
  heard out;
  job j;
  r.prompt = {1, 2};
  j.ask = std::move(r);
  j.state = std::make_shared<ticket::shared>();
  j.sink = [&](event const& e) {
    out.text += e.text;
    out.tokens += e.what == event::kind::token;
    if (e.what != event::kind::finished) return;
    ++out.finished, out.why = e.finish, out.stop_token = e.stop_token, out.stop_text = e.stop_text;
  };
  request_limits const limits{.vocabulary = 27, .context = context, .max_logprobs = 0};
  auto const g = detail::make_group(j.ask, {0}, 1);
  g->source = std::move(j);
  auto const c = detail::make_continuation<letters::stream>(g, 0, limits);
  engine_stats stats;
  letters text;
  detail::delivery<letters> deliver(&text, context, stats);
  for (char x : output)
    if (deliver.token(*c, {x == '.' ? 0 : x - 'a' + 1, 0, 1}, {})) return out;
  deliver.finish(*c, at_end);
  deliver.finish(*c, at_end);   // has no effect
  return out;
}

}  // namespace

TEST_CASE("engine/deliver: a stop string, a stop token and the length, also together") {
  heard o = run({.max_tokens = 3, .stop = {"c"}}, "abcd");
  CHECK((o.text == "ab" && o.why == finish_reason::stop && o.stop_text == "c" && o.tokens == 3));
  o = run({.max_tokens = 3, .stop = {"d"}}, "abcd");
  CHECK((o.text == "abc" && o.why == finish_reason::length && o.stop_text.empty()));
  o = run({.max_tokens = 3, .stop = {"cd"}}, "abcd");
  CHECK((o.text == "abc" && o.why == finish_reason::length));   // what was held back comes out
  o = run({.max_tokens = 3, .stop = {"bc"}}, "ab.");
  CHECK((o.text == "ab" && o.why == finish_reason::stop && o.stop_token == 0 && o.stop_text.empty() && o.finished == 1));
  o = run({.max_tokens = 5, .stop = {"bc"}, .include_stop_text = true}, "abcd");
  CHECK((o.text == "abc" && o.stop_text == "bc"));
  o = run({.max_tokens = 50}, "abcdefgh", 6);
  CHECK((o.tokens == 4 && o.why == finish_reason::length));     // the context: two of prompt, four of output
  o = run({.max_tokens = 5, .ignore_eos = true}, "ab");
  CHECK((o.text == "ab" && o.why == finish_reason::cancelled && o.finished == 1));
}

TEST_CASE("engine/deliver: stop strings before min_tokens do not count, those that end after do") {
  sampling_params const two{.min_tokens = 2};
  CHECK(run({.max_tokens = 5, .sampling = two, .stop = {"b"}}, "abcd").text == "abcd");
  CHECK(run({.max_tokens = 5, .sampling = two, .stop = {"ab"}}, "abcab").text == "abc");
  heard const o = run({.max_tokens = 5, .sampling = two, .stop = {"bc"}}, "abcd");
  CHECK((o.text == "a" && o.why == finish_reason::stop && o.tokens == 3));
}

TEST_CASE("engine/deliver: text that was held back changes no other reason than the length") {
  request const r{.max_tokens = 3, .stop = {"b?"}};
  CHECK(run(r, "abz").why == finish_reason::stop);
  for (auto why : {finish_reason::cancelled, finish_reason::error}) {
    heard const o = run(r, "bz", 100, why);
    CHECK((o.why == why && o.stop_text.empty() && o.finished == 1));
  }
}
