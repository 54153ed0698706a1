// The laws of the engine at its edges (laws/engine_edges.hpp) on CPUs.
#include "laws/engine_edges.hpp"
#include "../engines.hpp"
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

laws::subject const llama{source_dir() / "tests/fixtures/models/llama3-gqa", false};

}  // namespace

TEST_CASE("engine: every continuation of a group that only scores is started and finished") { laws::groups_that_only_score_are_finished<edge_llama>(llama); }
TEST_CASE("engine: a prompt that fills context and pool runs again when all of it is cached") { laws::full_contexts_run_again_from_the_cache<edge_llama>(llama); }
TEST_CASE("engine: under pressure no request that fits alone fails, whoever shares pages") { laws::under_pressure_no_request_that_fits_alone_fails<edge_llama>(llama); }
TEST_CASE("engine: logits that are not numbers fail the request, scored or sampled") { laws::logits_that_are_not_numbers_fail_the_request<edge_llama>(llama); }
TEST_CASE("engine: contiguous runs give the tokens that pages give, and the reference device gives tokens") {
  laws::caches_give_the_same<edge_llama, edge_runs>(llama);
  auto config = llama.config(2);
  config.max_batch = 3;
  verbatim::engine<edge_reference> reference(config);
  for (auto const& c : verbatim::generate(reference, laws::grouped_requests(llama))) {
    CAPTURE(c.error);
    CHECK(c.ids.size() == 12);
  }
}
