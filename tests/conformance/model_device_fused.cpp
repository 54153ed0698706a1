// The laws of fused operations (laws/model_fused.hpp) on CUDA devices, under the host executor.
#include "laws/model_fused.hpp"

TEST_CASE("device model: fused operations give the bits of unfused ones, and of other cuts into steps") {
  laws::fused::fused_operations_give_the_bits_of_unfused_ones<verbatim::cuda::emulated>();
}
// Which norms are done with the merge of the product before them, as docs/design.md says of shapes: behind o (k: heads) and behind down.
static_assert(verbatim::cuda::tensor_linear::norms_merged(896, 896) && verbatim::cuda::tensor_linear::norms_merged(896, 4864));      // Qwen2.5-0.5B
static_assert(verbatim::cuda::tensor_linear::norms_merged(1536, 1536) && !verbatim::cuda::tensor_linear::norms_merged(1536, 8960));   // Qwen2.5-1.5B
static_assert(verbatim::cuda::tensor_linear::norms_merged(2048, 2048) && !verbatim::cuda::tensor_linear::norms_merged(2048, 8192));   // Llama-3.2-1B
static_assert(!verbatim::cuda::tensor_linear::norms_merged(3584, 3584) && !verbatim::cuda::tensor_linear::norms_merged(3584, 18944)); // Qwen2.5-7B
static_assert(!verbatim::cuda::tensor_linear::norms_merged(4096, 4096) && !verbatim::cuda::tensor_linear::norms_merged(4096, 14336)); // Llama-3.1-8B

TEST_CASE("device model: launches of a layer") { laws::fused::a_layer_makes_few_launches<verbatim::cuda::emulated>(); }
