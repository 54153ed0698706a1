// front/timeline.hpp: a batch's rate is that of the time in which all of it decodes.
#include "verbatim/front/timeline.hpp"

#include "catch.hpp"

namespace {

/// A step a second; two of `batch` prompts are computed in each, and every sequence that has its prompt gets a token, each 1/128 s after the
/// one before it.
verbatim::detail::timeline staggered(int batch, int output) {
  verbatim::detail::timeline t;
  t.tokens.resize(std::size_t(batch));
  for (int step = 1; step <= (batch + 1) / 2 + output; ++step) {
    t.begin_step();
    double late = 0;
    for (int i = 0; i < batch; ++i)
      if (int const first = 1 + i / 2; step >= first && step < first + output) t.arrived(std::size_t(i), [&] { return step + late; }), late += 1 / 128.0;
  }
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

TEST_CASE("timeline: all tokens of the steps in the window are counted, however far apart a step hands them out") {
  for (int batch : {2, 3, 64})
    for (int steps : {1, 2, 31}) {   // in which all decode, after the one in which the last sequence starts
      int const start = 1 + (batch - 1) / 2;
      CAPTURE(batch, steps);
      CHECK(staggered(batch, start + steps).summary(8).decode_tokens_per_second == batch);
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
