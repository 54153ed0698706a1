// front/timeline.hpp: a batch's rate is that of the time in which all of it decodes.
#include "verbatim/front/timeline.hpp"

#include <algorithm>
#include <vector>

#include "catch.hpp"
#include "verbatim/schedule/first_come.hpp"

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

/// The steps that `batch` equal prompts take by first_come; a second each.
verbatim::detail::timeline scheduled_by_first_come(int batch, int prompt, int output, int rows, int chunk) {
  constexpr int page = 16, room = 1 << 20;
  auto const pages = [](int tokens) { return (tokens + page - 1) / page; };
  verbatim::detail::timeline t;
  t.tokens.resize(std::size_t(batch));
  std::vector<verbatim::waiting> queue;
  std::vector<verbatim::running> active;
  for (int i = 0; i < batch; ++i) queue.push_back({std::uint32_t(i), prompt, 0, 0});
  verbatim::batch out;
  for (double second = 1; !queue.empty() || !active.empty(); ++second) {
    t.begin_step(), out.clear();
    int used = 0;
    for (auto const& s : active) used += s.pages;
    out.limits = {rows, batch, room - used, page, chunk};
    verbatim::first_come{}(std::span<verbatim::waiting const>(queue).first(std::min<std::size_t>(queue.size(), 16)), active, out);
    for (auto id : out.admit) {
      active.push_back({id, prompt, 0, 0});
      std::erase_if(queue, [&](auto const& w) { return w.id == id; });
    }
    for (auto const& r : out.run) {
      auto const s = std::find_if(active.begin(), active.end(), [&](auto const& a) { return a.id == r.id; });
      s->computed += r.tokens, s->pages = pages(s->computed);
      if (s->computed == s->tokens) ++s->tokens, t.arrived(r.id, [&] { return second; });
    }
    std::erase_if(active, [&](auto const& s) { return int(t.tokens[s.id].size()) == output; });
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

TEST_CASE("timeline: how many output tokens a batch needs is what the schedule makes it, exactly") {
  for (int batch : {1, 2, 7, 40})
    for (int prompt : {1, 5, 64, 100, 513})
      for (int rows : {41, 64, 512, 4096})
        for (int chunk : {rows, 16, 7}) {
          int const fewest = int(verbatim::detail::fewest_output(batch, prompt, rows, chunk));
          CAPTURE(batch, prompt, rows, chunk, fewest);
          CHECK(scheduled_by_first_come(batch, prompt, fewest, rows, chunk).summary(prompt).decode_tokens_per_second > 0);
          if (fewest > 2) CHECK_THROWS_AS(scheduled_by_first_come(batch, prompt, fewest - 1, rows, chunk).summary(prompt), verbatim::error);
        }
  CHECK(verbatim::detail::fewest_output(64, 1024, 2112, 2048) == 33);
}
