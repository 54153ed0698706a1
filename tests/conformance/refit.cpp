// The laws of new weights (laws/refit.hpp, laws/refit_sources.hpp) on CPUs.
#include "laws/refit.hpp"
#include "laws/refit_sources.hpp"

using namespace examples;
using laws::random_subject;

TEST_CASE("refit: a hundred under 32 running requests; each span is scored the same by the weights that it names") {
  laws::each_span_is_of_the_weights_that_it_names<qwen3_bf16>(random_subject<qwen3_bf16>("qwen3"));
  laws::each_span_is_of_the_weights_that_it_names<llama_f32>(random_subject<llama_f32>("llama"));
}
TEST_CASE("refit: from borrowed memory, a folder, bytes and any source, the weights are the same") {
  laws::every_source_gives_the_same_weights<qwen2_bf16>(random_subject<qwen2_bf16>("qwen2"));
}
TEST_CASE("refit: what is refused changes nothing") { laws::refused_weights_change_nothing<qwen3_bf16>(random_subject<qwen3_bf16>("qwen3")); }
TEST_CASE("refit: what older weights computed is never matched, whatever the policy; kept sequences go on") {
  laws::stale_weights_are_never_matched<llama_bf16>(random_subject<llama_bf16>("llama"));
}
TEST_CASE("refit: between the chunks of a prompt that is scored or shared by a group, everything comes from the new weights") {
  laws::chunks_come_from_one_set_of_weights<llama_f32>(random_subject<llama_f32>("mistral"));
}
TEST_CASE("refit: prompt log-probabilities come from one set of weights, wherever the refit finds the prompt") {
  laws::prompts_come_from_one_set_of_weights<qwen2_f32>(random_subject<qwen2_f32>("qwen2"));
}
