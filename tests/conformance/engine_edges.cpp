// The engine at its edges: full contexts, pools that a request fills, shared pages under pressure, groups that only score,
// weights that are not numbers, and the parts that are not the default ones.
#include <cstring>
#include <fstream>

#include <unistd.h>

#include "../engines.hpp"
#include "catch.hpp"
#include "verbatim/backend/reference/ops.hpp"
#include "verbatim/cache/contiguous.hpp"
#include "verbatim/verbatim.hpp"

namespace {

using edge_llama = test_engines::small_llama;
struct edge_runs : edge_llama {
  using cache = verbatim::contiguous<16>;
};
struct edge_reference : verbatim::pipeline<verbatim::cpu::reference, verbatim::llama> {
  static constexpr auto contract = verbatim::fastest;   // what the reference backend can promise
  using dtype = float;
  using cache = verbatim::paged<16>;
};

std::filesystem::path model() { return source_dir() / "tests/fixtures/models/llama3-gqa"; }

/// `pages` pages of 16 tokens; float, two layers, two kv heads of 16, keys and values.
constexpr std::size_t page_bytes = 16 * 2 * 2 * 16 * 2 * sizeof(float);

std::vector<verbatim::token> counting_prompt(int size, int first = 3) {
  std::vector<verbatim::token> out(static_cast<std::size_t>(size));
  for (int i = 0; i < size; ++i) out[std::size_t(i)] = 3 + (first + 7 * i) % 250;
  return out;
}

/// What one submitted request heard.
struct heard {
  std::vector<int> started, finished, tokens;   ///< per continuation
  std::vector<verbatim::finish_reason> why;
  std::string error;
  explicit heard(int count) : started(std::size_t(count)), finished(started), tokens(started), why(started.size()) {}
  verbatim::event_sink sink() {
    return [this](verbatim::event const& e) {
      auto const i = std::size_t(e.index);
      CHECK(finished[i] == 0);
      if (e.what == verbatim::event::kind::started) ++started[i];
      if (e.what == verbatim::event::kind::token) ++tokens[i];
      if (e.what != verbatim::event::kind::finished) return;
      ++finished[i], why[i] = e.finish;
      if (!e.error.empty()) error = e.error;
    };
  }
  bool all_once() const {
    for (std::size_t i = 0; i < started.size(); ++i)
      if (started[i] != 1 || finished[i] != 1) return false;
    return true;
  }
};

template <class Engine> bool drain(Engine& engine, int steps = 5000) {
  while (engine.poll())
    if (--steps < 0) return false;
  return true;
}

}  // namespace

TEST_CASE("engine: every continuation of a group that only scores is started and finished") {
  verbatim::engine<edge_llama> engine({.checkpoint = model(), .threads = 1});
  for (int alternatives : {-1, 0, 2}) {
    heard h(3);
    engine.submit({.prompt = counting_prompt(20), .max_tokens = 0, .count = 3, .prompt_logprobs = alternatives}, h.sink());
    REQUIRE(drain(engine));
    CAPTURE(alternatives);
    CHECK(h.all_once());
    CHECK(h.tokens == std::vector<int>{0, 0, 0});
  }
  CHECK(engine.stats().pages_used == 0);
}

TEST_CASE("engine: a prompt that fills context and pool runs again when all of it is cached") {
  verbatim::engine<edge_llama> engine({.checkpoint = model(), .threads = 1, .max_batch = 4, .context = 64, .kv_bytes = 4 * page_bytes});
  REQUIRE(engine.resources().kv_pages == 4);
  REQUIRE(engine.context() == 64);
  for (int size : {64, 64, 63, 63, 48, 49}) {
    heard h(2);
    engine.submit({.prompt = counting_prompt(size), .max_tokens = size < 64 ? 5 : 0, .count = 2, .ignore_eos = true}, h.sink());
    REQUIRE(drain(engine));
    CAPTURE(size, h.error);
    CHECK(h.all_once());
    CHECK(h.error.empty());
    CHECK(h.tokens[1] == std::min(5, 64 - size));
  }
}

TEST_CASE("engine: under pressure no request that fits alone fails, whoever shares pages") {
  for (int pages : {6, 7}) {
    verbatim::engine<edge_llama> engine({.checkpoint = model(), .threads = 1, .max_batch = 3, .step_tokens = 4, .kv_bytes = std::size_t(pages) * page_bytes});
    REQUIRE(engine.resources().kv_pages == pages);
    for (int ahead = 1; ahead < 34; ++ahead) {
      heard first(1), group(2);
      engine.submit({.prompt = counting_prompt(3, ahead), .max_tokens = 70, .ignore_eos = true}, first.sink());
      for (int i = 0; i < ahead; ++i) engine.poll();
      engine.submit({.prompt = counting_prompt(64, 50 + ahead), .max_tokens = 20, .count = 2, .ignore_eos = true}, group.sink());
      REQUIRE(drain(engine));
      CAPTURE(pages, ahead, first.error, group.error);
      REQUIRE(first.tokens == std::vector<int>{70});
      REQUIRE(group.tokens == std::vector<int>{20, 20});
    }
    CHECK(engine.stats().pages_used == 0);
  }
}

TEST_CASE("engine: logits that are not numbers fail the request, scored or sampled") {
  auto const copy = std::filesystem::temp_directory_path() / ("verbatim_nan_" + std::to_string(::getpid()));
  std::filesystem::remove_all(copy);
  std::filesystem::copy(model(), copy);
  std::string bytes = read_bytes(copy / "model.safetensors");
  std::uint64_t header;
  std::memcpy(&header, bytes.data(), 8);
  std::size_t const offsets = bytes.find("\"data_offsets\":[", bytes.find("\"model.norm.weight\""));
  std::size_t const at = 8 + header + std::stoul(bytes.substr(offsets + 16));
  std::memset(bytes.data() + at, 0xff, 4);   // a NaN in every number format
  std::ofstream(copy / "model.safetensors", std::ios::binary) << bytes;
  {
    verbatim::engine<edge_llama> engine({.checkpoint = copy, .threads = 1});
    auto const ids = counting_prompt(40);
    try {
      engine.score(ids);
      FAIL("scored");
    } catch (verbatim::error const& e) {
      CHECK(e.number() == 5);
      CHECK(e.message().find('[') == std::string_view::npos);
    }
    heard sampled(3), scored(2);
    engine.submit({.prompt = ids, .max_tokens = 4, .count = 3}, sampled.sink());
    engine.submit({.prompt = ids, .max_tokens = 4, .count = 2, .prompt_logprobs = 1}, scored.sink());
    REQUIRE(drain(engine));
    CHECK(sampled.finished == std::vector<int>{1, 1, 1});
    CHECK(scored.finished == std::vector<int>{1, 1});
    CHECK(scored.error.find("[verbatim.engine.5]") == 0);
    CHECK(engine.stats().pages_used == 0);
    CHECK(engine.jobs().unfinished() == 0);
  }
  std::filesystem::remove_all(copy);
}

TEST_CASE("engine: contiguous runs and the reference device give the tokens that pages give") {
  verbatim::engine<edge_llama> paged({.checkpoint = model(), .threads = 1});
  verbatim::engine<edge_runs> runs({.checkpoint = model(), .threads = 2, .max_batch = 3, .step_tokens = 7, .context = 100, .kv_bytes = 15 * page_bytes});
  verbatim::engine<edge_reference> reference({.checkpoint = model(), .threads = 2, .max_batch = 3});
  std::vector<verbatim::request> requests;
  for (int i = 0; i < 8; ++i)
    requests.push_back({.prompt = counting_prompt(5 + 9 * i, i), .max_tokens = 12, .count = 1 + i % 4, .sampling = {.seed = std::uint64_t(i)}, .ignore_eos = true});
  auto const a = verbatim::generate(paged, requests), b = verbatim::generate(runs, requests), c = verbatim::generate(reference, requests);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i, b[i].error, c[i].error);
    CHECK(a[i].ids.size() == 12);
    CHECK(a[i].ids == b[i].ids);
    CHECK(a[i].logprobs == b[i].logprobs);
    CHECK(c[i].ids.size() == 12);
  }
  CHECK(drain(runs));
  CHECK(runs.stats().pages_used == 0);
}
