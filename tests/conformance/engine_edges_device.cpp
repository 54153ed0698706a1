// The laws of the engine at its edges (laws/engine_edges.hpp) on CUDA devices, under the host executor.
#include "laws/engine_edges.hpp"
#include "../engines.hpp"

using test_engines::emulated_llama_bf16;

TEST_CASE("engine: groups that only score, and full contexts, on a device") {
  laws::random_subject<emulated_llama_bf16> const s("llama", true);
  laws::groups_that_only_score_are_finished<emulated_llama_bf16>(s);
  laws::full_contexts_run_again_from_the_cache<emulated_llama_bf16>(s);
}
TEST_CASE("engine: under pressure no request that fits alone fails, on a device") {
  laws::under_pressure_no_request_that_fits_alone_fails<emulated_llama_bf16>(laws::random_subject<emulated_llama_bf16>("llama", true));
}
TEST_CASE("engine: logits that are not numbers fail the request, on a device") {
  laws::logits_that_are_not_numbers_fail_the_request<emulated_llama_bf16>(laws::random_subject<emulated_llama_bf16>("llama", true));
}
TEST_CASE("engine: contiguous runs give the bits that pages give, on a device") {
  laws::caches_give_the_same<emulated_llama_bf16, test_engines::emulated_runs>(laws::random_subject<emulated_llama_bf16>("llama", true));
}
