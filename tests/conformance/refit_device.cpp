// The laws of new weights (laws/refit*.hpp) on CUDA devices, under the host executor.
#include "laws/refit.hpp"
#include "laws/refit_replay.hpp"
#include "laws/refit_sources.hpp"
#include "../engines.hpp"

using laws::random_subject;
using test_engines::emulated_llama_bf16;

TEST_CASE("refit: under running requests each span is scored the same by the weights that it names, on a device") {
  laws::each_span_is_of_the_weights_that_it_names<emulated_llama_bf16>(random_subject<emulated_llama_bf16>("llama", true));
}
TEST_CASE("refit: from wherever they come the weights are the same, and what is refused changes nothing, on a device") {
  laws::every_source_gives_the_same_weights<emulated_llama_bf16>(random_subject<emulated_llama_bf16>("llama", true));
  laws::refused_weights_change_nothing<emulated_llama_bf16>(random_subject<emulated_llama_bf16>("llama", true, true));
}
TEST_CASE("refit: what older weights computed is never matched, on a device") {
  laws::stale_weights_are_never_matched<emulated_llama_bf16>(random_subject<emulated_llama_bf16>("llama", true));
}
TEST_CASE("refit: a prompt's log-probabilities are of one set of weights, on a device") {
  laws::chunks_come_from_one_set_of_weights<emulated_llama_bf16>(random_subject<emulated_llama_bf16>("mistral", true));
  laws::prompts_come_from_one_set_of_weights<emulated_llama_bf16>(random_subject<emulated_llama_bf16>("llama", true));
}
TEST_CASE("refit: steps that were recorded over older weights take the new ones") {
  laws::replayed_steps_take_new_weights<emulated_llama_bf16>(random_subject<emulated_llama_bf16>("llama", true));
}
