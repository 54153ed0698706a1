// The laws of the engine (laws/engine.hpp) on CPUs.
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
TEST_CASE("engine: n continuations share their prompt and equal n requests with the derived seeds") { laws::continuations_share_their_prompt<small_llama>(llama); }
TEST_CASE("engine: cancelled requests, queued ones included, end at the next step and give their pages back") { laws::cancelled_requests_end<small_llama>(llama); }
TEST_CASE("engine: a request that cannot be carried out ends with an error of its own") { laws::refused_requests_end_with_their_own_error<small_llama>(llama); }
TEST_CASE("engine: prompt log-probabilities come once, complete, with their alternatives") { laws::prompt_logprobs_come_once<small_llama>(llama); }
