// front/timeline.hpp: a batch's rate is that of the time in which all of it decodes.
#include "verbatim/front/timeline.hpp"

#include "catch.hpp"

namespace {

/// A step a second; two of `batch` prompts are computed in each, and every sequence that has its prompt gets a token.
verbatim::detail::timeline staggered(int batch, int output) {
  verbatim::detail::timeline t;
  t.tokens.resize(std::size_t(batch));
  for (int i = 0; i < batch; ++i)
    for (int k = 0; k < output; ++k) t.tokens[std::size_t(i)].push_back(1 + i / 2 + k);
  return t;
}

}  // namespace

TEST_CASE("timeline: what is counted are steps of the whole batch, though the first sequences start and end before the others") {
  for (int output : {33, 40, 100}) {
    auto const m = staggered(64, output).summary(1024);   // the last sequence's first token comes in second 32
    CAPTURE(output);
    CHECK(m.decode_tokens_per_second == 64);
    CHECK(m.itl_p50_seconds == 1);
    CHECK(m.itl_p99_seconds == 1);
    CHECK(m.prefill_tokens_per_second == 64 * 1024 / 32.0);
    CHECK(m.ttft_seconds == 17);
  }
}

TEST_CASE("timeline: too few tokens to have all sequences decode at once are an error, not a rate") {
  try {
    staggered(64, 32).summary(1024);
    FAIL("a rate of nothing");
  } catch (verbatim::error const& e) {
    CHECK(std::string(e.what()).find("with 32 output tokens") != std::string::npos);
  }
  CHECK_THROWS_AS(staggered(64, 2).summary(1024), verbatim::error);
  CHECK(staggered(1, 2).summary(8).decode_tokens_per_second == 1);
  CHECK(staggered(1, 1).summary(8).decode_tokens_per_second == 0);
}
