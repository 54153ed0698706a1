// The laws of fused operations (conformance/laws/model_fused.hpp) on a GPU.
#include "../conformance/laws/model_fused.hpp"
#include "gpu.hpp"

TEST_CASE("gpu: fused operations give the bits of unfused ones, and of other cuts into steps") {
  if (have_gpu()) laws::fused::fused_operations_give_the_bits_of_unfused_ones<verbatim::cuda::sm90>();
}
TEST_CASE("gpu: launches of a layer") {
  if (have_gpu()) laws::fused::a_layer_makes_few_launches<verbatim::cuda::sm90>();
}
