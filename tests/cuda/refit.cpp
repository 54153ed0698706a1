// The laws of new weights (conformance/laws/refit*.hpp) on a GPU.
#include "../conformance/laws/refit.hpp"
#include "../conformance/laws/refit_replay.hpp"
#include "../conformance/laws/refit_sources.hpp"
#include "engines.hpp"
#include "gpu.hpp"

namespace {

using laws::random_subject;

template <class P> void check(char const* architecture) {
  random_subject<P> const s(architecture);
  laws::each_span_is_of_the_weights_that_it_names<P>(s);
  laws::every_source_gives_the_same_weights<P>(s);
  laws::stale_weights_are_never_matched<P>(s);
  laws::chunks_come_from_one_set_of_weights<P>(s);
  laws::prompts_come_from_one_set_of_weights<P>(s);
}

}  // namespace

TEST_CASE("gpu: the laws of new weights, f32") {
  if (have_gpu()) check<test_engines::gpu_llama_f32>("mistral");
}
TEST_CASE("gpu: the laws of new weights, bf16") {
  if (!have_gpu()) return;
  check<test_engines::gpu_qwen3_bf16>("qwen3");
  laws::refused_weights_change_nothing<test_engines::gpu_qwen3_bf16>(random_subject<test_engines::gpu_qwen3_bf16>("qwen3"));
}
TEST_CASE("gpu: the laws of new weights, where sums over k are cut among blocks") {
  if (!have_gpu()) return;
  random_subject<test_engines::gpu_llama_bf16> const s("llama", laws::wide);
  laws::each_span_is_of_the_weights_that_it_names<test_engines::gpu_llama_bf16>(s);
  laws::every_source_gives_the_same_weights<test_engines::gpu_llama_bf16>(s);
  laws::stale_weights_are_never_matched<test_engines::gpu_llama_bf16>(s);
  laws::chunks_come_from_one_set_of_weights<test_engines::gpu_llama_bf16>(s);
  laws::replayed_steps_take_new_weights<test_engines::gpu_llama_bf16>(s);
}
TEST_CASE("gpu: graphs that were recorded over older weights take the new ones") {
  if (!have_gpu()) return;
  laws::replayed_steps_take_new_weights<test_engines::gpu_llama_f32>(random_subject<test_engines::gpu_llama_f32>("llama"));
  laws::replayed_steps_take_new_weights<test_engines::gpu_llama_bf16>(random_subject<test_engines::gpu_llama_bf16>("llama"));
  laws::replayed_steps_take_new_weights<test_engines::gpu_qwen3_bf16>(random_subject<test_engines::gpu_qwen3_bf16>("qwen3"));
}
