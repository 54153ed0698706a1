// The laws of the engine (conformance/laws/engine.hpp) on a GPU.
#include "../conformance/laws/engine.hpp"
#include "engines.hpp"
#include "gpu.hpp"

namespace {

template <class P> void check(char const* architecture, laws::variant const& v = {}) {
  laws::random_subject<P> const s(architecture, v);
  laws::same_in_company<P>(s);
  laws::sampled_is_scored<P>(s);
  laws::forks_under_pressure_are_scored<P>(s);
  laws::continuations_share_their_prompt<P>(s);
  laws::cancelled_requests_end<P>(s);
  laws::refused_requests_end_with_their_own_error<P>(s);
  laws::prompt_logprobs_come_once<P>(s);
}

}  // namespace

TEST_CASE("gpu: the laws of the engine, f32") {
  if (have_gpu()) check<test_engines::gpu_llama_f32>("llama");
}
TEST_CASE("gpu: the laws of the engine, bf16") {
  if (!have_gpu()) return;
  check<test_engines::gpu_llama_bf16>("mistral");
  check<test_engines::gpu_qwen3_bf16>("qwen3");
}
TEST_CASE("gpu: the laws of the engine, where sums over k are of several leaves") {
  if (!have_gpu()) return;
  check<test_engines::gpu_llama_f32>("llama", laws::wide);
  using device = test_engines::gpu_qwen3_bf16::device::executor;
  long const before = device::split;
  check<test_engines::gpu_qwen3_bf16>("qwen3", laws::wide);
  CHECK(device::split > before);   // and cut among blocks
}
