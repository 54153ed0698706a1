// Models in the shapes that they are used in, with random weights, on a GPU: what any batch samples has the bits of a pass.
#include "../conformance/laws/batches.hpp"
#include "gpu.hpp"

namespace {

/// Where there is memory for it.
void check(char const* shape, laws::batch_plan const& p) {
  auto const path = source_dir() / "benchmarks/shapes" / (std::string(shape) + ".json");
  auto const config = verbatim::read_config(path).config;
  auto const needs = std::size_t(verbatim::weights::floors_of(config, 2, 2).weight_bytes) + laws::kv_bytes_for(p, config, 2) + (std::size_t(4) << 30);
  if (verbatim::cuda::gpu::free_memory() < needs) return skip(std::string(shape) + " needs more memory than the GPU has free");
  laws::batches_are_scored<examples::qwen2_bf16_gpu>(path, p);
}

}  // namespace

TEST_CASE("gpu: what batches of 1 to 200 sample is scored the same: Qwen2.5-0.5B", "[real_shapes]") {
  if (have_gpu()) check("qwen2.5-0.5b", {.batches = {1, 8, 64, 200}});
}
TEST_CASE("gpu: what batches of 1 to 200 sample is scored the same: Qwen2.5-7B", "[real_shapes_7b]") {
  if (!have_gpu()) return;
  char const* const set = std::getenv("VERBATIM_REAL_SHAPES");
  if (!set || std::string(set) != "all") return skip("Qwen2.5-7B takes a minute, most of it for its weights: with VERBATIM_REAL_SHAPES=all");
  check("qwen2.5-7b", {.batches = {1, 8, 64, 200}});
}
