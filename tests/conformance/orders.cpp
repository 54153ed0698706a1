// The laws of orders (laws/orders.hpp) on CPUs.
#include "laws/orders.hpp"

using examples::qwen2_f32;
using examples::qwen3_f32;

TEST_CASE("replay: given tokens are reported as if they had been sampled, and flagged") {
  laws::given_tokens_are_replayed<qwen3_f32>(laws::random_subject<qwen3_f32>("qwen3"));
}
TEST_CASE("pause: keep, wait, retract and abort; what comes meanwhile waits") { laws::pauses_hold<qwen2_f32>(laws::random_subject<qwen2_f32>("qwen2")); }
TEST_CASE("orders: requests that they end are over, once, and others come after them") {
  laws::orders_end_requests_once<qwen3_f32>(laws::random_subject<qwen3_f32>("qwen3"));
}
