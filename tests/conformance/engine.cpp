// The laws of the engine (laws/engine.hpp) on CPUs.
#include "laws/batches.hpp"
#include "laws/engine.hpp"
#include "../engines.hpp"

using test_engines::small_llama;
using test_engines::small_qwen3;

namespace {

laws::subject const llama{source_dir() / "tests/fixtures/models/llama3-gqa", false}, qwen3{source_dir() / "tests/fixtures/models/qwen3-bf16", false};

}  // namespace

TEST_CASE("engine: a request gets the same bits alone and in company, chunked, preempted and from the cache") {
  laws::same_in_company<small_llama>(llama);
  laws::same_in_company<small_qwen3>(qwen3);
}
TEST_CASE("engine: sampled log-probabilities equal scored ones as bits") { laws::sampled_is_scored<small_qwen3>(qwen3); }
TEST_CASE("engine: what groups sample while they are preempted equals a pass as bits") {
  laws::forks_under_pressure_are_scored<small_llama>(llama);
  laws::forks_under_pressure_are_scored<small_qwen3>(laws::random_subject<small_qwen3>("qwen3", laws::two_leaves));
}
TEST_CASE("engine: what batches sample equals a pass as bits, some with a prefix in common") {
  laws::random_subject<small_qwen3> const s("qwen3", laws::two_leaves);
  laws::batches_are_scored<small_qwen3>(s.model, {.batches = {1, 3, 20}, .stem = 70, .own = 20, .output = 12, .step_tokens = 256});
}
TEST_CASE("engine: n continuations share their prompt and equal n requests with the derived seeds") { laws::continuations_share_their_prompt<small_llama>(llama); }
TEST_CASE("engine: cancelled requests, queued ones included, end at the next step and give their pages back") { laws::cancelled_requests_end<small_llama>(llama); }
TEST_CASE("engine: a request that cannot be carried out ends with an error of its own") { laws::refused_requests_end_with_their_own_error<small_llama>(llama); }
TEST_CASE("engine: prompt log-probabilities come once, complete, with their alternatives") { laws::prompt_logprobs_come_once<small_llama>(llama); }
