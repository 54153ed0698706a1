// The laws of fused operations (laws/model_fused.hpp) on CUDA devices, under the host executor.
#include "laws/model_fused.hpp"

TEST_CASE("device model: fused operations give the bits of unfused ones, and of other cuts into steps") {
  laws::fused::fused_operations_give_the_bits_of_unfused_ones<verbatim::cuda::emulated>();
}
TEST_CASE("device model: launches of a layer") { laws::fused::a_layer_makes_few_launches<verbatim::cuda::emulated>(); }
