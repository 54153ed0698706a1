// The laws of orders (conformance/laws/orders.hpp) on a GPU.
#include "../conformance/laws/orders.hpp"
#include "engines.hpp"
#include "gpu.hpp"

namespace {

template <class P> void check(char const* architecture) {
  laws::random_subject<P> const s(architecture);
  laws::given_tokens_are_replayed<P>(s);
  laws::pauses_hold<P>(s);
  laws::orders_end_requests_once<P>(s);
}

}  // namespace

TEST_CASE("gpu: the laws of orders") {
  if (!have_gpu()) return;
  check<test_engines::gpu_llama_f32>("llama");
  check<test_engines::gpu_qwen3_bf16>("qwen3");
}
