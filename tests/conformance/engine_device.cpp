// The laws of the engine (laws/engine.hpp) on CUDA devices, under the host executor: in bf16, as f32 takes it ten times as long.
#include "laws/engine.hpp"
#include "../engines.hpp"

using test_engines::emulated_llama_bf16;
using test_engines::emulated_llama_f32;

TEST_CASE("engine: a request gets the same bits alone and in company, on a device") {
  laws::same_in_company<emulated_llama_bf16>(laws::random_subject<emulated_llama_bf16>("llama", true));
}
TEST_CASE("engine: sampled log-probabilities equal scored ones as bits, on a device") {
  laws::sampled_is_scored<emulated_llama_bf16>(laws::random_subject<emulated_llama_bf16>("llama", true));
}
TEST_CASE("engine: requests that share, end early, are refused or are scored, on a device") {
  laws::random_subject<emulated_llama_bf16> const s("llama", true);
  laws::continuations_share_their_prompt<emulated_llama_bf16>(s);
  laws::cancelled_requests_end<emulated_llama_bf16>(s);
  laws::refused_requests_end_with_their_own_error<emulated_llama_bf16>(s);
  laws::prompt_logprobs_come_once<emulated_llama_bf16>(s);
  laws::prompt_logprobs_come_once<emulated_llama_f32>(laws::random_subject<emulated_llama_f32>("llama", true));
}
TEST_CASE("engine: sums over k that are cut among blocks, under pressure and with forks, equal scored ones as bits, on a device") {
  using device = emulated_llama_bf16::device::executor;
  long const before = device::split;
  laws::forks_under_pressure_are_scored<emulated_llama_bf16>(laws::random_subject<emulated_llama_bf16>("llama", laws::two_leaves, true));
  CHECK(device::split > before);
}
