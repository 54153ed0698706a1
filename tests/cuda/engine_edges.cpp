// The laws of the engine at its edges (conformance/laws/engine_edges.hpp) on a GPU.
#include "../conformance/laws/engine_edges.hpp"
#include "engines.hpp"
#include "gpu.hpp"

namespace {

template <class P> void check(char const* architecture) {
  laws::random_subject<P> const s(architecture);
  laws::groups_that_only_score_are_finished<P>(s);
  laws::full_contexts_run_again_from_the_cache<P>(s);
  laws::under_pressure_no_request_that_fits_alone_fails<P>(s);
  laws::logits_that_are_not_numbers_fail_the_request<P>(s);
}

}  // namespace

TEST_CASE("gpu: the laws of the engine at its edges, f32") {
  if (!have_gpu()) return;
  check<test_engines::gpu_llama_f32>("llama");
  laws::caches_give_the_same<test_engines::gpu_llama_f32, test_engines::gpu_runs>(laws::random_subject<test_engines::gpu_llama_f32>("llama"));
}
TEST_CASE("gpu: the laws of the engine at its edges, bf16") {
  if (have_gpu()) check<test_engines::gpu_llama_bf16>("llama");
}
