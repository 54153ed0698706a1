// The laws of orders (laws/orders.hpp) on CUDA devices, under the host executor.
#include "laws/orders.hpp"
#include "../engines.hpp"

using test_engines::emulated_llama_bf16;

TEST_CASE("replay: given tokens are reported as if they had been sampled, on a device") {
  laws::given_tokens_are_replayed<emulated_llama_bf16>(laws::random_subject<emulated_llama_bf16>("llama", true));
}
TEST_CASE("pause: keep, wait, retract and abort, on a device") { laws::pauses_hold<emulated_llama_bf16>(laws::random_subject<emulated_llama_bf16>("llama", true)); }
TEST_CASE("orders: requests that they end are over, once, on a device") {
  laws::orders_end_requests_once<emulated_llama_bf16>(laws::random_subject<emulated_llama_bf16>("llama", true));
}
